"""Templates of keys: what they match, what they make, what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitdsl.checkpoints.keys import Template, number


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
def test_expressions_are_those_of_the_language(i, s):
    made = Template.parse("b.{2*i+1}.{i//2}.{i%3}.{s+i-i}.{2**(i%4)}.{p}").format({"i": str(i), "s": str(s), "p": "w"})
    assert made == f"b.{2 * i + 1}.{i // 2}.{i % 3}.{s}.{2 ** (i % 4)}.w"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "`` is not a dotted key with {holes}"),
        ("a b", "`a b` is not a dotted key with {holes}"),
        ("a.{i", "`a.{i` is not a dotted key with {holes}"),
        ("a.{}", "$(): "),
        ("a.{i+}", "$(i+): "),
        ("a.{i=x||y}", "`{i=x||y}` has an empty choice"),
        ("a.{f(i)}", "$(f(i)): 'f' cannot be called"),
        ("a.{i.real}", "$(i.real): there are no attributes"),
        ("a.{lambda: i}", "$(lambda: i): there are no functions"),
        ("a.{" + "i+" * 600 + "i}", "'$(i+i+i+i+i"),
    ],
)
def test_what_a_template_refuses(text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared
        Template.parse(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "known", "message"),
    [
        ("i-2", {"i": 1}, "`i-2` is -1 where i is 1; it must be an integer that is not negative"),
        ("i/2", {"i": 1}, "`i/2` is 0.5 where i is 1; it must be an integer that is not negative"),
        ("i == 1", {"i": 1}, "`i == 1` is True where i is 1; it must be an integer that is not negative"),
        ("i//0", {"i": 1}, "$(i//0): 1 // 0 divides by zero"),
        ("j", {"i": 1}, "$(j): there is no 'j' here"),
        ("9**i", {"i": 99}, "$(9**i): 9 ** 99 is too large"),
        ("a[i]", {"i": 2, "a": (0, 6)}, "$(a[i]): there is no element 2 in (0, 6), which has 2"),
    ],
)
def test_what_a_number_must_be(text, known, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        number(text, known)
    assert str(caught.value) == message


def test_an_expression_reads_what_a_table_names():
    template = Template.parse("blocks.{start[b//2]+2*i}.{p}")
    assert template.names == {"start", "b", "i", "p"}
    assert template.format({"b": "4", "i": "1", "p": "w"}, {"start": (0, 6, 14)}) == "blocks.16.w"
    assert number(3, {}) == 3


def test_an_expression_cannot_be_matched():
    with pytest.raises(ValueError, match=r"^`a.{i\+1}` is matched on keys, so its holes are names, not `i\+1`$"):
        Template.parse("a.{i+1}").regex((), {})
