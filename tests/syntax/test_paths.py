"""Paths as text and back, and what is said of bad ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitdsl.errors import SpecError
from vitdsl.syntax.paths import Repetition, format_path, parse_path


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("stages[2].block[0].mixer.heads", ("stages", 2, "block", 0, "mixer", "heads")),
        ("head.pool", ("head", "pool")),
        ("block@7[0]", ("block", Repetition(7), 0)),
        ("a[0]@1.b", ("a", 0, Repetition(1), "b")),
        ("[0].a", (0, "a")),
        ('set["stages[0].tokens"].x', ("set", "stages[0].tokens", "x")),
        ('["a \\" b"]', ('a " b',)),
        ("dims.0", ("dims", "0")),
    ],
)
def test_paths(text, segments):
    assert parse_path(text) == segments
    assert format_path(segments) == text


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "the path is empty"),
        ("a.", 3, "the path ends with a '.'"),
        (".a", 1, "a key is expected here"),
        ("a..b", 3, "a key is expected here"),
        ("a.[0]", 3, "a key is expected here"),
        ("a.@1", 3, "a key is expected here"),
        ("@1", 1, "a key is expected here"),
        ("a[x]", 2, "'[' is followed by an index from 0, or a key in double quotes, and ']'"),
        ("a[-1]", 2, "'[' is followed by an index from 0, or a key in double quotes, and ']'"),
        ("[", 1, "'[' is followed by an index from 0, or a key in double quotes, and ']'"),
        ('a["\\x"]', 2, "'[' is followed by an index from 0, or a key in double quotes, and ']'"),
        ("a@b", 2, "'@' is followed by the number of a repetition, from 0"),
        ("a[0]b", 5, "'.', '[' or '@' is expected here"),
        ("a b", 2, "'.', '[' or '@' is expected here"),
    ],
)
def test_bad_paths(text, column, message):
    with pytest.raises(SpecError) as caught:
        parse_path(text, "--set")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column, problem.message) == ("--set", 1, column, message)


def test_a_bad_path_as_text():
    with pytest.raises(SpecError) as caught:
        parse_path("stages[x].depth", "--set")
    assert str(caught.value) == (
        "--set:1:7: '[' is followed by an index from 0, or a key in double quotes, and ']' [E112]\n"
        "  1 | stages[x].depth\n"
        "    |       ^\n"
        "  hint: a path looks like stages[2].block[0].mixer.heads"
    )


@given(st.lists(st.one_of(st.text(), st.integers(0, 10**9 - 1)), min_size=1))
def test_every_path_comes_back(segments):
    assert parse_path(format_path(segments)) == tuple(segments)


@given(st.text(alphabet='ab.[]@0"\\ '))
def test_any_text_is_a_path_or_a_spec_error(text):
    try:
        segments = parse_path(text)
    except SpecError:
        return
    assert parse_path(format_path(segments)) == segments
