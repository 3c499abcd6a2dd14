"""Names are data: a file computes the same, whatever the spec calls its modules, streams and outputs."""

from __future__ import annotations

import ast
import random

import pytest

import vitdsl
from tests.compiler.normal import normal_form, words
from tests.compiler.test_names import PLACES, written
from tests.hostile import FEW, TEXTS, WORDS

MANY = 60
"""Names at each place; `python -m tests.evidence.eject_names` tries 5,000 in all."""
LINES = (
    "a\nb",
    "\nimport os",
    "\r\nimport os",
    "\rimport os",
    "a\u2028import os",
    "a\u2029b",
    "a\x0cimport os",
    "\0",
    "\x85import os",
)
QUOTES = (
    "'''",
    '"""',
    '"""\nimport os\n"""',
    "\\",
    "a\\",
    "\\\n",
    "\\N{DIGIT ONE}",
    "{1}",
    "# a",
    "\ufeff",
    "coding: latin-1",
)


def check(place: str, names: list[str] | tuple[str, ...]) -> int:
    """Names that are accepted change names alone; says how many are."""
    neutral = vitdsl.eject(written(place, "neutral"))
    known, accepted = words(neutral), 0
    for name in names:
        try:
            code = vitdsl.eject(written(place, name))
        except vitdsl.SpecError:
            continue
        accepted += 1
        apart = known.isdisjoint({name, f"{name}_"})
        forms = [normal_form(text, own if apart else None) for text, own in ((code, name), (neutral, "neutral"))]
        assert forms[0] == forms[1], f"{name!r} as a name of {place}"
    return accepted


@pytest.mark.parametrize("place", PLACES)
def test_a_file_computes_the_same_whatever_a_name_is(place: str) -> None:
    assert check(place, FEW) >= 5


@pytest.mark.full
@pytest.mark.parametrize("place", PLACES)
def test_many_names(place: str) -> None:
    assert check(place, names_of(place, MANY)) >= MANY // 3


def names_of(place: str, count: int) -> list[str]:
    """Names that mean something elsewhere, alone and joined."""
    draw = random.Random(place)
    parts = [*WORDS, "self", "rate", "dim", "windows", "Body", "Chain", "Linear", "Model", "Block", "F", "nn", "x2"]
    names = [word for word in WORDS if word != "none"]  # which says that there is no name
    while len(names) < count:
        first, second = draw.choice(parts), draw.choice(parts)
        names.append(draw.choice([f"{first}_{second}", first.title(), first.upper(), f"{first}2", f"_{first}", second]))
    return names


def test_what_is_no_name_changes_nothing() -> None:
    """Nothing of it is accepted, but as what a file is called, which a comment says."""
    assert {place for place in PLACES if check(place, TEXTS)} == {"file"}


@pytest.mark.parametrize(("was", "becomes"), [
    ("self[0].mixer.k", "self[0].mixer.v"), ("x + ", "x - "), (".transpose(1, 2)", ".flatten(1, 2)"),
    ("q, k, v", "k, q, v"),
    ("self.stages[0]", "self.stages[1]"), ("Linear(", "BatchNorm("), ("heads", "scale"), ("return x + ", "return y + "),
    ("range(2)", "range(3)"), ("classifier=", "classified="), ("bias=False", "bias=True"),
])  # fmt: skip
def test_the_form_sees_what_is_computed(was: str, becomes: str) -> None:
    code = vitdsl.eject("cvt13")
    assert was in code
    assert normal_form(code.replace(was, becomes), "neutral") != normal_form(code, "neutral")


def titled(title: str) -> str:
    return vitdsl.eject({
        "name": "s", "paper": {"title": title}, "input": {"size": 8}, "classes": 2, "head": {"pool": "mean"},
        "stages": [{"tokenizer": {"type": "patch", "size": 4, "dim": 8}}],
    })  # fmt: skip


@pytest.mark.parametrize("title", [*LINES, *QUOTES, *(text for text in TEXTS if text.strip())], ids=ascii)
def test_a_title_is_in_a_comment_and_nowhere_else(title: str) -> None:
    try:
        code = titled(title)
    except vitdsl.SpecError:
        assert not title.isprintable() or len(title) > 1000
        return
    head, separator, _ = code.partition("\nfrom __future__")
    assert separator
    assert all(not line or line.startswith("#") for line in head.split("\n"))
    assert head.replace("\n", "").isprintable()
    assert ast.dump(ast.parse(code)) == ast.dump(ast.parse(titled("plain")))
    assert ast.dump(ast.parse(code.encode())) == ast.dump(ast.parse(titled("plain")))
