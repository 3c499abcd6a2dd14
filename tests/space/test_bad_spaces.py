"""Holes that cannot be decided, and logs that do not fit: each with its place and the whole text."""

import pytest

import vitdsl
from tests.space.test_space import TINY, body

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
