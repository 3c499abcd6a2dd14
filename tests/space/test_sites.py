"""Holes that cannot be decided, and logs that do not fit: each with its place and the whole text."""

import pytest

import vitdsl
from tests.space.spaces import TINY, body

MLP = "body: [{mlp: {ratio: %s}}]"
BAD = {
    "no hole": (body(MLP % "2"), 2, "this spec has no holes, so there is nothing to decide"),
    "a hole in a hole": (
        body(MLP % "{choose: [{choose: [1, 2]}, 3]}"), 2,
        "a hole cannot itself be an alternative: list what it chooses among here",
    ),
    "twice": (body(MLP % "{choose: [1, 2, 1]}"), 2, "an alternative stands here twice"),
    "a range of fractions": (body(MLP % "{range: [0.5, 2.0]}"), 2, "a range of fractions needs a step"),
    "past the end": (
        body(MLP % "{range: [1, 4, 2]}"), 2, "the range does not reach its highest number 4: the step 2 leads past it",
    ),
    "each of nothing": (
        body(MLP % "{choose: [1, 2], each: true}"), 2,
        "`each` needs a repetition around the hole, but nothing repeats this",
    ),
    "each in a define": (
        body(
            "depth: 2, block: {use: unit}",
            "define: {unit: {body: [{mlp: {ratio: {choose: [1, 2], each: true}}}]}}",
        ), 1, "`each` needs a repetition around the hole, but a define is used in many places",
    ),
    "when without else": (body(MLP % "{choose: [1, 2], when: true}"), 2, "`when` needs `else` beside it"),
    "else without when": (body(MLP % "{choose: [1, 2], else: 1}"), 2, "`else` needs `when` beside it"),
    "when of nothing": (
        body(MLP % "{choose: [1, 2], when: $(deep > 1), else: 1}"), 2, "$(deep > 1): there is no `deep` here",
    ),
    "each of what is late": (
        body("depth: $(dim // 8), block: [{mlp: {ratio: {choose: [1, 2], each: true}}}]"), 2,
        "`each` needs to know how often this is repeated, but $(dim // 8) is only known later",
    ),
    "a circle of variables": (
        "vars: {a: {choose: [1, 2], when: $(b > 1), else: 1}, b: {choose: [1, 2], when: $(a > 1), else: 1}}\n"
        + body("body: [{mlp: {ratio: $(a + b)}}]"), 1, "the variables `a`, `b` are made of one another",
    ),
    "a circle of decisions": (
        "vars: {a: {choose: [1, 2], when: \"$('vars.b' > 1)\", else: 1}, "
        "b: {choose: [1, 2], when: \"$('vars.a' > 1)\", else: 1}}\n"
        + body("body: [{mlp: {ratio: $(a + b)}}]"), 1, "the decision vars.a depends on itself",
    ),
    "when of a feature": (
        body(MLP % "{choose: [1, 2], when: $(dim > 1), else: 1}"), 2,
        "`when` sees variables and decisions, but `dim` is only known later",
    ),
    "an `else` that does not fit": (
        body(MLP % "{choose: [1, 2], when: true, else: wide}"), 2, "`else` must be a number, but is 'wide'",
    ),
    "when of a path that is none": (
        body(MLP % "{choose: [1, 2], when: \"$('stages[0].dept' > 1)\", else: 1}"), 2,
        "there is no decision stages[0].dept",
    ),
    "an alternative that does not fit": (
        body(MLP % "{choose: [1, wide]}"), 2, "`choose[1]` must be a number, but is 'wide'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_space(case):
    text, line, message = BAD[case]
    with pytest.raises(vitdsl.SpecError) as caught:
        vitdsl.Space(text)
    problem = caught.value.problems[0]
    assert problem.message == message
    assert problem.mark is not None
    assert problem.mark.line == line


HOLES = {
    "{choose: 3}": "a hole chooses among a list or a mapping of alternatives",
    "{choose: []}": "a hole chooses among a list or a mapping of alternatives",
    "{choose: {}}": "a hole chooses among a list or a mapping of alternatives",
    "{choose: null}": "a hole chooses among a list or a mapping of alternatives",
    "{choose: $dim}": "a hole chooses among a list or a mapping of alternatives",
    "{choose: [1, 2], range: [1, 2]}": "a hole has `choose` or `range`, and not both",
    "{choose: [1, {choose: [2, 3]}]}": "a hole cannot itself be an alternative: list what it chooses among here",
    "{choose: [1, 2, 1.0]}": "an alternative stands here twice",
    "{choose: [a, b, a]}": "an alternative stands here twice",
    "{range: 3}": "a hole has a range [lowest, highest] or [lowest, highest, step]",
    "{range: []}": "a hole has a range [lowest, highest] or [lowest, highest, step]",
    "{range: [1, 2, 3, 4]}": "a hole has a range [lowest, highest] or [lowest, highest, step]",
    "{range: {low: 1, high: 2}}": "a hole has a range [lowest, highest] or [lowest, highest, step]",
    "{range: [1, wide]}": "a hole has a range of plain numbers",
    "{range: [1, true]}": "a hole has a range of plain numbers",
    "{range: [1, [2]]}": "a hole has a range of plain numbers",
    "{range: [$dim, 2, 1]}": "a hole has a range of plain numbers",
    "{range: [64, 32]}": "a hole has a range that goes up, by a step above 0",
    "{range: [32, 64, 0]}": "a hole has a range that goes up, by a step above 0",
    "{range: [32, 64, -1]}": "a hole has a range that goes up, by a step above 0",
    "{range: [0.5, 1]}": "a range of fractions needs a step",
    "{range: [1, 4, 2]}": "the range does not reach its highest number 4: the step 2 leads past it",
    "{range: [0, 1, 1e-12]}": "the step 1e-12 is too small to tell the numbers of this range apart",
    "{range: [1e30, 1.1e30, 1]}": "a range has at most 1,000,000,000,000,000 numbers",
    "{choose: [1, 2], each: 3}": "`each` must be true or false",
    "{range: [1, 2], each: always}": "`each` must be true or false",
    "{choose: [1, 2], when: true}": "`when` needs `else` beside it",
    "{choose: [1, 2], else: 1}": "`else` needs `when` beside it",
    "{choose: [1, 2], when: 3, else: 1}": "`when` is a truth: true, false or $(…)",
    "{choose: [1, 2], when: maybe, else: 1}": "`when` is a truth: true, false or $(…)",
}
"""Holes that are wrong in themselves, and what is said of them."""
FRAME = """
stages:
  - tokenizer: {type: patch, size: 16, dim: 16}
    body: [%s]
head: {pool: mean}
"""
WHERE = {
    "a variable": FRAME % "{mlp: {ratio: $w}}" + "vars:\n  w:\n    @\n",
    "a variable's list": FRAME % "{mlp: {ratio: $w.0}}" + "vars:\n  w: [1,\n    @,\n  ]\n",
    "a variable that nobody names": FRAME % "mlp" + "vars:\n  w:\n    @\n",
    "a field": FRAME % "{mlp: {ratio:\n      @\n    }}",
    "a part": FRAME % "{mlp:\n      @\n    }",
    "an item": FRAME % "mlp,\n      @\n    ",
    "a branch": FRAME % "{parallel: [[],\n      @\n    ]}",
    "wiring": FRAME % "{mlp: {}, pre:\n      @\n    }",
    "a number of the wiring": FRAME % "{mlp: {}, repeat:\n      @\n    }",
    "below the wiring": FRAME % "{mlp: {}, residual: {output:\n      @\n    }}",
    "an argument": FRAME % "{use: d, a:\n      @\n    }" + "define: {d: {args: [a], body: [{linear: $a}]}}\n",
    "an argument that is a body": FRAME % "{use: d, a: [{linear:\n      @\n    }]}"
    + "define: {d: {args: [a], body: $a}}\n",
    "a default of an argument": FRAME % "{use: d}"
    + "define:\n  d:\n    optional:\n      a:\n        @\n    body: [{linear: $a}]\n",
    "a define": FRAME % "{use: d}" + "define:\n  d:\n    body:\n      - linear:\n          @\n",
    "a define that nobody uses": FRAME % "mlp" + "define:\n  d:\n    body:\n      - linear:\n          @\n",
    "the defaults": FRAME % "mlp" + "defaults:\n  mlp:\n    ratio:\n      @\n",
    "the input": FRAME % "mlp" + "input:\n  size:\n    @\n",
    "the root": FRAME % "mlp" + "drop_path:\n  rate:\n    @\n",
}


@pytest.mark.parametrize("where", WHERE)
def test_a_wrong_hole_is_refused_wherever_it_stands(where):
    text = WHERE[where]
    line = 1 + next(number for number, line in enumerate(text.splitlines()) if "@" in line)
    for hole, message in HOLES.items():
        with pytest.raises(vitdsl.SpecError) as caught:
            vitdsl.load(text.replace("@", hole))
        found = [problem for problem in caught.value.problems if problem.message == message]
        assert len(found) == 1, (hole, str(caught.value))
        assert found[0].mark is not None
        assert found[0].mark.line == line


@pytest.fixture(scope="module")
def tiny() -> vitdsl.Space:
    return vitdsl.Space(TINY)


def said(tiny, decisions) -> list[str]:
    with pytest.raises(vitdsl.SpecError) as caught:
        tiny.replay(decisions)
    return [problem.message for problem in caught.value.problems]


def test_replaying_a_log_that_does_not_fit(tiny):
    log = dict(tiny.sample(0).decisions)
    first = next(iter(log))
    assert said(tiny, {path: value for path, value in log.items() if path != first}) == [
        f"the log of decisions says nothing of {first}"
    ]
    assert said(tiny, {**log, "vars.width": 17}) == ["17 is no option here: 16, 24"]
    assert said(tiny, {**log, "vars.n": True}) == ["True is no option here: 1, 2"]
    assert said(tiny, {**log, "stages[0].dept": 1}) == [
        "stages[0].dept is decided, but this architecture does not ask for it"
    ]


def test_shapes_that_do_not_fit_point_into_the_space():
    space = vitdsl.Space(body("body: [{mixer: {type: global, heads: {choose: [4, 5]}}}]"))
    with pytest.raises(vitdsl.SpecError) as caught:
        space.replay({"stages[0].body[0].mixer.heads": 5}).analyze()
    assert caught.value.problems[0].path == "stages[0].body[0].mixer.heads"
    assert caught.value.problems[0].mark is not None


def test_a_spec_that_was_not_drawn_has_no_decisions(tiny):
    with pytest.raises(ValueError, match="was not drawn from a space"):
        tiny.encode(vitdsl.load("deit_tiny"))
