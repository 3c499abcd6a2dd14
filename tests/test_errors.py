"""Problems, their order, and the text of the renderer."""

import copy
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitdsl.errors import (
    ExpressionError,
    Mark,
    Problem,
    ShapeError,
    Source,
    SpecError,
    did_you_mean,
    first_line,
    near,
    one_of,
    render,
)

SOURCE = Source("cvt13.yaml", "name: cvt13\nstages:\n  - mixer: {headz: 5}\n")


def test_a_problem_with_everything():
    notes = (("used here", Mark(SOURCE, 1, 7)), ("in the defaults", None))
    problem = Problem(
        "unknown field\nfound 'headz'",
        "stages[0].mixer",
        Mark(SOURCE, 3, 13),
        "did you mean 'heads'?",
        notes,
    )
    assert str(SpecError(problem)) == (
        "cvt13.yaml:3:13: stages[0].mixer\n"
        "  unknown field\n"
        "  found 'headz'\n"
        "  3 |   - mixer: {headz: 5}\n"
        "    |             ^\n"
        "  hint: did you mean 'heads'?\n"
        "  used here: cvt13.yaml:1:7\n"
        "  1 | name: cvt13\n"
        "    |       ^\n"
        "  in the defaults"
    )
    assert (problem.file, problem.line, problem.column) == ("cvt13.yaml", 3, 13)


def test_a_problem_without_mark_or_path():
    assert str(SpecError("nothing to read")) == "nothing to read"
    assert str(SpecError(Problem("wrong", "stages[0]"))) == "stages[0]\n  wrong"
    assert str(SpecError(Problem("wrong", mark=Mark(SOURCE, 1, 1)))) == (
        "cvt13.yaml:1:1: wrong\n  1 | name: cvt13\n    | ^"
    )
    bare = Problem("wrong")
    assert (bare.file, bare.line, bare.column) == (None, None, None)


def test_order_duplicates_and_count():
    other = Source("a.yaml", "x\n")
    late, early, first = (
        Problem("late", mark=Mark(SOURCE, 3, 1)),
        Problem("early", mark=Mark(SOURCE, 1, 9)),
        Problem("first", mark=Mark(other, 1, 1)),
    )
    placeless = Problem("nowhere")
    error = SpecError([placeless, late, early, late, first])
    assert error.problems == (first, early, late, placeless)
    assert str(error).endswith("nowhere\n4 problems")
    assert render([late]).count("problems") == 0
    assert render([]) == ""


def test_columns_order_as_numbers():
    problems = [Problem(str(column), mark=Mark(SOURCE, 1, column)) for column in (10, 9, 2)]
    assert [problem.message for problem in SpecError(problems).problems] == ["2", "9", "10"]


@pytest.mark.parametrize("text", ["\t\tx: 1", "日本: x", "e\u0301: x", "\x1b\x1bx"])
def test_caret_stands_under_the_column(text):
    column = text.index("x") + 1
    lines = str(Problem("here", mark=Mark(Source("f", text), 1, column))).split("\n")
    shown, caret = lines[1], lines[2]
    assert "\t" not in shown
    assert "\x1b" not in shown
    before = shown[: shown.index("x", shown.rindex("\\x1b") + 4) if "\\" in shown else shown.index("x")]
    wide, zero = sum(c in "日本" for c in before), before.count("\u0301")
    assert caret.index("^") == len(before) + wide - zero


def test_long_lines_are_cut_around_the_column():
    mark = Mark(Source("f", "a" * 500 + "!" + "b" * 500), 1, 501)
    header, shown, caret = str(Problem("here", mark=mark)).split("\n")
    assert header == "f:1:501: here"
    assert shown == "  1 | …" + "a" * 50 + "!" + "b" * 49 + "…"
    assert caret.index("^") == shown.index("!")


def test_positions_without_text_have_no_excerpt():
    for mark in (Mark(SOURCE, 99, 1), Mark(Source("f", ""), 1, 1), Mark(Source("f", "  \nx"), 1, 1)):
        assert "\n" not in str(Problem("here", mark=mark))
    assert str(Problem("end", mark=Mark(Source("f", "ab"), 1, 99))).endswith("| ab\n    |   ^")


def test_control_characters_are_escaped():
    problem = Problem("a\x1b[31m\u202e", "p\n\x07", Mark(Source("f\n\x00", "x"), 1, 1), "h\x08", (("n\nn\r", None),))
    assert str(problem) == "f\\n\\x00:1:1: p\\n\\x07\n  a\\x1b[31m\\u202e\n  1 | x\n    | ^\n  hint: h\\x08\n  n\\nn\\r"


@given(st.text(), st.text(), st.text(), st.integers(0, 9), st.integers(0, 200), st.text())
def test_any_text_renders_printable(name, text, message, line, column, hint):
    rendered = str(SpecError(Problem(message, "", Mark(Source(name, text), line, column), hint)))
    assert all(character.isprintable() or character == "\n" for character in rendered)


def test_lines():
    assert Source("f", "a\r\nb\rc\n\n").lines == ["a", "b", "c", ""]
    assert Source("f", "").lines == [""]


def test_what_an_error_says_first_has_no_place_and_no_code():
    ours = SpecError(Problem("too wide\nby far", "stages[0].dim", hint="64", code="E204"))
    assert str(ours).startswith("stages[0].dim\n  too wide [E204]")
    assert [first_line(error) for error in (ours, ValueError(" a\nb"), KeyError())] == ["too wide", "a", "KeyError"]


def test_near():
    assert near("headz", ["heads", "dim"]) == "heads"
    assert near("HEADS", ["heads", "dim"]) == "heads"
    assert near("cvt12", ["cvt13", "cvt21"]) == "cvt13"
    assert near("zzz", ["heads", "dim"]) is None
    assert near("patch_size", ["bias", "dim", "size"]) == "size"
    assert near("layers", ["vars", "stages"]) is None
    assert near("x" * 10_000, ["x" * 10_001]) is None


def test_one_of_and_did_you_mean():
    assert one_of(["b", "a", "b"]) == "a, b"
    letters = string.ascii_lowercase[:14]
    assert did_you_mean("zzz", letters) == "", "a long list is no hint"
    assert did_you_mean("headz", ["heads"]) == "did you mean 'heads'?"
    assert did_you_mean("zzz", iter(["b", "a"])) == "known: a, b"
    assert did_you_mean("zzz", []) == ""


def test_errors_can_be_copied_and_pickled():
    error = SpecError([Problem("one", mark=Mark(SOURCE, 1, 1)), Problem("two")])
    for other in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert other.problems == error.problems
        assert str(other) == str(error)
    shape = pickle.loads(pickle.dumps(ShapeError("does not fit", "cut")))
    assert (shape.message, shape.hint, shape.trail, str(shape)) == ("does not fit", "cut", [], "does not fit")
    expression = pickle.loads(pickle.dumps(ExpressionError("bad", "good")))
    assert (expression.message, expression.hint, str(expression)) == ("bad", "good", "bad")


def test_spec_error_is_a_value_error():
    assert issubclass(SpecError, ValueError)
    assert repr(Mark(SOURCE, 1, 2)) == "Mark(cvt13.yaml:1:2)"
