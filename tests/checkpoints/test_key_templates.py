"""Templates of keys: what they match, what they make, what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitdsl.checkpoints.keys import Arithmetic, Template


def matched(text: str, key: str, numbers=(), **choices) -> dict[str, str] | None:
    found = Template.parse(text).regex(numbers, choices).fullmatch(key)
    return found.groupdict() if found else None


def test_a_hole_is_one_segment_and_a_star_the_rest():
    assert matched("blocks.{i}.{p}", "blocks.3.weight") == {"i": "3", "p": "weight"}
    assert matched("blocks.{i}.{p}", "blocks.3.norm.weight") is None
    assert matched("blocks.{i}.{rest*}", "blocks.3.norm.weight") == {"i": "3", "rest": "norm.weight"}


def test_templates_are_anchored_and_dots_are_dots():
    assert matched("norm.{p}", "xnorm.weight") is None
    assert matched("norm.{p}", "norm.weight.more") is None
    assert matched("a.b", "axb") is None


def test_choices_numbers_and_repeated_holes():
    assert matched("n.{p}", "n.mean", p=("weight", "bias")) is None
    assert matched("n.{p}", "n.bias", p=("weight", "bias")) == {"p": "bias"}
    assert matched("n.{i}", "n.x", numbers=["i"]) is None
    assert matched("{i}.{i}", "2.2") == {"i": "2"}
    assert matched("{i}.{i}", "2.3") is None


@given(st.integers(0, 50), st.integers(0, 50))
def test_arithmetic_is_pythons(i, s):
    made = Template.parse("b.{2*i+1}.{i//2}.{i%3}.{s+i-i}.{2**(i%4)}.{p}").format({"i": str(i), "s": str(s), "p": "w"})
    assert made == f"b.{2 * i + 1}.{i // 2}.{i % 3}.{s}.{2 ** (i % 4)}.w"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "`` is not a dotted key with {holes}"),
        ("a b", "`a b` is not a dotted key with {holes}"),
        ("a.{i", "`a.{i` is not a dotted key with {holes}"),
        ("a.{}", "`` is neither a name nor integer arithmetic"),
        ("a.{i+}", "`i+` is neither a name nor integer arithmetic"),
        ("a.{i=x||y}", "`{i=x||y}` has an empty choice"),
        ("a.{f(i)}", "`f(i)` is not integer arithmetic of names with + - * // % **"),
        ("a.{i.real}", "`i.real` is not integer arithmetic of names with + - * // % **"),
        ("a.{i/2}", "`i/2` is not integer arithmetic of names with + - * // % **"),
        ("a.{i*1.5}", "`i*1.5` is not integer arithmetic of names with + - * // % **"),
        ("a.{True+1}", "`True+1` is not integer arithmetic of names with + - * // % **"),
        ("a.{" + "i+" * 40 + "i}", f"the expression `{'i+' * 32}...` is longer than 64 characters"),
    ],
)
def test_what_a_template_refuses(text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        Template.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "bound", "message"),
    [
        ("i-2", {"i": 1}, "`i-2` is -1 for {'i': 1}; it must not be negative"),
        ("i//0", {"i": 1}, "`i//0` has no value for {'i': 1}"),
        ("j", {"i": 1}, "`j` has no value for {'i': 1}"),
        ("9**i", {"i": 99}, "an exponent of 99 is refused; it may be 0 to 16"),
    ],
)
def test_what_arithmetic_refuses(text, bound, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        Arithmetic.parse(text).value(bound)
    assert str(caught.value) == message


def test_arithmetic_cannot_be_matched():
    with pytest.raises(ValueError, match=r"^`a.{i\+1}` is matched on keys, so its holes are names, not `i\+1`$"):
        Template.parse("a.{i+1}").regex((), {})
