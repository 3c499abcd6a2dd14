"""Arithmetic of expressions: values, bounds, and the same as Python."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.syntax.environment import problem, value
from vitdsl.errors import ExpressionError


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("dim / 2", 32),
        ("dim / 128", 0.5),
        ("7 // 2 - 7 % 4", 0),
        ("-7 // 2", -4),
        ("7.5 // 2", 3),
        ("dim ** -0.5", 0.125),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("(-8) ** 3", -512),
        ("+dim", 64),
        ("not flag", False),
        ("1 < 2 <= 2 != 3", True),
        ("1 < 2 > 2", False),
        ("other == 'large' and index > 2", True),
        ("0 or index", 3),
        ("flag and 0", 0),
        ("true or nowhere", True),
        ("false and nowhere", False),
        ("False == false", True),
        ("min(dim, 96, 32)", 32),
        ("max(dims)", 320),
        ("round(2.5)", 2),
        ("round(2.567, 1)", 2.6),
        ("ceil(dim / 48)", 2),
        ("dims[1] * 2", 256),
        ("dims[-1]", 320),
        ("dims[index - 1]", 320),
        ("table['heads']", 4),
        ('table["heads"]', 4),
        ("1e-6", 1e-6),
        ("  dim\n +\t1 ", 65),
        ("0x10 + 1_0", 26),
        ("1e20 / 1e10", 10**10),
        ("10 ** 15", 10**15),
        ("1 ** 999999999999", 1),
        ("index % 2 * 3", 3),
    ],
)
def test_arithmetic(inner, expected):
    result = value(f"$({inner})")
    assert result == expected
    assert type(result) is type(expected)


def test_bounds():
    assert problem("$(" + "1+" * 60 + "1)").message.endswith("has more than 100 terms")
    assert problem("$(" + "1 " * 600 + ")").message.endswith("is longer than 1000 characters")
    begin = time.process_time()
    for inner in ("-" * 900 + "1", "(" * 400 + "1" + ")" * 400, "not " * 240 + "1", "a" + "[0]" * 300, "9" * 990):
        problem(f"$({inner})")
    problem("$(" + " ** ".join(["9"] * 40) + ")")
    assert time.process_time() - begin < 2


@given(st.recursive(st.integers(0, 99).map(str) | st.just("dim"), lambda inner: st.builds(
    "({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "<", "==", "and", "or"]), inner
), max_leaves=12))  # fmt: skip
def test_the_same_as_python(inner):
    try:
        expected = eval(inner, {"dim": 64})
    except ZeroDivisionError:
        assert "divides by zero" in problem(f"$({inner})").message
        return
    try:
        assert value(f"$({inner})") == expected
    except ExpressionError as error:
        assert "too large" in error.message  # noqa: PT017
