"""Work is bounded before it is done: each bound is an error at a place, with its number and how to raise it."""

import re
import time

import pytest

import vitdsl
from vitdsl.elaborate.builder import Context
from vitdsl.memo import forget
from vitdsl.syntax.limits import ITEMS, MODULES, size_of

FILE = """name: v
input: {size: 16}
classes: 5
stages:
  - tokenizer: {type: patch, size: 4, dim: 16}
    depth: 1
    block: [ITEM]
head: {pool: mean}
"""
DEPTH = 38


def doubling(item: str, first: str, step: str, last: str, key: str) -> str:
    """A file whose entries below `key` each name the next, or the one before, twice."""
    rows = [first, *(step.format(here=n, next=n + 1) for n in range(DEPTH)), last]
    return FILE.replace("ITEM", item) + f"{key}:\n" + "".join(f"  {row}\n" for row in rows if row)


DEFINES = {
    "items": doubling(
        "{use: d0}", "", "d{here}: {{body: [{{use: d{next}}}, {{use: d{next}}}]}}", "d38: {body: [mlp]}", "define"
    ),
    "branches": doubling(
        "{use: d0}", "", "d{here}: {{body: [{{parallel: [{{use: d{next}}}, {{use: d{next}}}]}}]}}",
        "d38: {body: [mlp]}", "define",
    ),
    "optional": doubling(
        "{use: d0}", "", "d{here}: {{optional: {{x: [{{use: d{next}}}, {{use: d{next}}}]}}, body: $x}}",
        "d38: {body: [mlp]}", "define",
    ),
    "arguments": doubling(
        "{use: d0, x: [mlp]}", "", "d{here}: {{args: [x], body: [{{use: d{next}, x: [$x, $x]}}]}}",
        "d38: {args: [x], body: $x}", "define",
    ),
    "argument_of_a_part": doubling(
        "{use: d0, x: [1]}", "", "d{here}: {{args: [x], body: [{{use: d{next}, x: [$x, $x]}}]}}",
        "d38: {args: [x], body: [{conv: {kernel: $x}}]}", "define",
    ),
}  # fmt: skip
VARIABLES = {
    "text": doubling("{write: $a38}", "a0: xxxxxxxxxx", 'a{next}: "$a{here}.$a{here}"', "", "vars"),
    "list": doubling("{pool: {over: $a38}}", "a0: [x]", "a{next}: [$a{here}, $a{here}]", "", "vars"),
    "body": doubling("{body: $a38}", "a0: [mlp]", "a{next}: [{{body: $a{here}}}, {{body: $a{here}}}]", "", "vars"),
    "late": doubling("{scale: {value: $a38}}", "a0: $dim", "a{next}: $(a{here} - a{here} + 1)", "", "vars"),
    "late_list": doubling(
        '{scale: {value: "$(a38[0])"}}', "a0: [$dim, $dim]", 'a{next}: ["$(a{here}[0] + a{here}[1])", $dim]', "", "vars"
    ),
    "hole": doubling("{pool: {over: $a38}}", "a0: {choose: [x, y]}", "a{next}: [$a{here}, $a{here}]", "", "vars"),
}
REPEATS = {
    "repeat": FILE.replace("ITEM", "{repeat: 4096, body: [{repeat: 4096, body: [{activation: relu}]}]}"),
    "late": FILE.replace("ITEM", "{repeat: 4096, body: [{repeat: 4096, scale: $(1 + index + index_1)}]}"),
    "many": FILE.replace("ITEM", ", ".join(f"{{repeat: 4096, scale: {n}}}" for n in range(1, 3000))),
}
NUMBER = re.compile(r"at most ([0-9,]+)|more than ([0-9,]+)")


@pytest.mark.parametrize("text", [*DEFINES.values(), *VARIABLES.values(), *REPEATS.values()])
def test_what_grows_without_end_is_refused_at_a_place(text):
    before = time.process_time()
    with pytest.raises(vitdsl.SpecError) as caught:
        vitdsl.load(text).graph()
    assert time.process_time() - before < 10
    problem = caught.value.problems[0]
    assert problem.mark is not None
    assert NUMBER.search(problem.message) or "nested too deep" in problem.message, problem.message


def test_a_bound_can_be_raised(monkeypatch):
    text = FILE.replace("ITEM", "{repeat: 300, body: [{repeat: 300, body: [{activation: relu}]}]}")
    monkeypatch.setattr("vitdsl.elaborate.stages.MODULES", MODULES._replace(most=90_000))
    with pytest.raises(vitdsl.SpecError, match="at most 90,000 are allowed") as caught:
        vitdsl.load(text).graph()
    assert "VITDSL_MAX_MODULES" in str(caught.value)
    monkeypatch.setenv("VITDSL_MAX_MODULES", "1000000")
    assert vitdsl.load(text).graph().frame.modules > 90_000


def test_modules_are_counted_before_they_are_built():
    text = FILE.replace("ITEM", "{repeat: 8, body: [{repeat: 8, body: [{activation: relu}]}]}")
    with pytest.raises(vitdsl.SpecError, match="modules, but at most 50 are allowed"):
        vitdsl.build(vitdsl.load(text), max_modules=50)
    model = vitdsl.build(vitdsl.load(text))
    assert vitdsl.load(text).graph().frame.modules == len(list(model.modules()))


def test_a_hundred_problems_are_said_and_the_others_counted():
    text = FILE.replace("ITEM", ", ".join(f"{{mlp: {{k{n}: 1}}}}" for n in range(3000)))
    with pytest.raises(vitdsl.SpecError) as caught:
        vitdsl.load(text)
    problems = caught.value.problems
    assert len(problems) == 101
    assert [problem.path for problem in problems[:2]] == ["stages[0].block[0].mlp.k0", "stages[0].block[1].mlp.k1"]
    assert problems[-1].message == "… and 2,900 more problems"


def test_the_size_of_what_stands_in_several_places_is_counted_at_each():
    tree = vitdsl.load(FILE.replace("ITEM", "mlp") + "paper: {a: [1, 2], b: {c: 3}}\n").tree
    assert size_of(tree["paper"]) == 6
    inner = [1]
    for _ in range(3):
        inner = [inner, inner]
    assert size_of(inner) == 1 + 2 + 4 + 8 * 2


def test_what_is_found_in_a_memo_counts_as_when_it_was_made(monkeypatch):
    text = FILE.replace("ITEM", "{repeat: 3, body: [{repeat: 9, body: [{activation: relu}, {mlp: {}}]}]}")
    monkeypatch.setattr("vitdsl.elaborate.builder.ITEMS", ITEMS._replace(most=10))
    said = []
    for _ in range(3):
        with pytest.raises(vitdsl.SpecError) as caught:
            vitdsl.load(text).graph()
        said.append(str(caught.value))
    assert said == said[:1] * 3


def test_memos_change_no_count(monkeypatch):
    text = FILE.replace("ITEM", "{repeat: 3, body: [{repeat: 9, body: [{activation: relu}, {mlp: {}}]}]}")
    counts = []
    monkeypatch.setattr(Context, "count", counted(counts))
    for _ in range(2):
        counts.append(0)
        vitdsl.load(text).graph()
    forget()
    counts.append(0)
    vitdsl.load(text).graph()
    assert counts[0] == counts[1] == counts[2] > 10


def counted(counts):
    def count(self, times=1):
        self.work += times
        counts[-1] = self.work

    return count


def cpu_seconds(text: str) -> float:
    """How long it takes to refuse a file."""
    before = time.process_time()
    with pytest.raises(vitdsl.SpecError) as caught:
        vitdsl.load(text).graph()
    assert all(problem.mark or problem.path for problem in caught.value.problems)
    return time.process_time() - before


def test_a_message_reads_no_more_of_a_value_than_it_shows():
    """Variables hold one another twice, forty deep, and an expression counts with the largest."""
    rows = ["a0: [1, 2]", *(f"a{n + 1}: [$a{n}, $a{n}]" for n in range(40))]
    text = (
        FILE.replace("ITEM", "{linear: $big}") + "vars:\n" + "".join(f"  {row}\n" for row in [*rows, "big: $(a40 + 1)"])
    )
    assert cpu_seconds(text) < 5


def test_copies_of_a_ghost_are_counted_before_they_are_written_out():
    assert cpu_seconds(FILE.replace("ITEM", "{mlp: {type: ghost, copies: 1000000}}")) < 2


def test_sizes_that_would_fit_are_looked_for_within_bounds():
    """At the sizes that are tried, more items are put in than any file may have."""
    text = doubling(
        "{use: d0}", "", "d{here}: {{body: [{{use: d{next}}}, {{use: d{next}}}]}}", "d38: {body: [mlp]}", "define"
    )
    assert cpu_seconds(text.replace("size: 16", "size: 18")) < 5
