"""`$name` and `$(expression)`: values, texts of errors, bounds."""

import copy
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.syntax.environment import ENV, problem
from vitdsl.errors import ExpressionError
from vitdsl.syntax.expressions import Late, parse


@pytest.mark.parametrize("text", ["", "heads", "history[]", "min(a, b)", "日本"])
def test_text_without_dollar_is_itself(text):
    assert parse(text) is text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$dim", 64),
        ("$nothing", None),
        ("$dims", [64, 128, 320]),
        ("$dims.0", 64),
        ("$table.heads", 4),
        ("$table.0", "zero"),
        ("$dims.$zero", 64),
        ("$other.grid", "large.grid"),
        ("$other.$part", "large.grid"),
        ("stage.$other", "stage.large"),
        ("blocks.$index.x", "blocks.3.x"),
    ],
)
def test_names(text, expected):
    assert parse(text).evaluate({**ENV, "zero": 0}) == expected


def test_late_is_a_value():
    late = parse("$(dim * heads + index)")
    assert isinstance(late, Late)
    assert late.names == {"dim", "heads", "index"}
    assert parse("$other.$part").names == {"other", "part"}
    assert parse("a.$i").names == {"i"}
    assert parse("$(true)").names == frozenset()
    assert parse("$(min(a[k], 2))").names == {"a", "k"}
    assert late == parse(" $(dim * heads + index)\n")
    assert hash(late) == hash(copy.deepcopy(late))
    assert pickle.loads(pickle.dumps(late)) == late
    assert late != parse("$(dim)")
    assert repr(late) == "Late(text='$(dim * heads + index)')"
    with pytest.raises(AttributeError):
        late.text = "x"  # type: ignore[misc]


QUOTE = 'between { } or [ ] of YAML an expression with , [ ] { } in it must be quoted: "$(min(dim, 64))"'


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("$(min(dim", "$(min(dim: a parenthesis or quote is not closed", QUOTE),
        ("$(a['x)", "$(a['x): a parenthesis or quote is not closed", QUOTE),
        ("$(dim) + 1", "$(dim) + 1: the expression ends at column 6, before the text does", None),
        ("$(1 + * 2)", "$(1 + * 2): invalid syntax (column 7)", None),
        ("$(1 +)", "$(1 +): invalid syntax (column 6)", None),
        ("$()", "$(): invalid syntax (column 3)", None),
        ("$(dim # x)", "$(dim # x): '#' has no meaning here (column 7)", None),
        ("$(dmi)", "$(dmi): there is no 'dmi' here", "did you mean 'dim'?"),
        ("$dmi", "$dmi: there is no 'dmi' here", "did you mean 'dim'?"),
        ("$5", "$5 is neither a name nor an expression", None),
        ("$x..y", "$x..y is neither a name nor an expression", None),
        ("$(dim).x", "$(dim).x: the expression ends at column 6, before the text does", None),
        ("x.$(dim)", "x.$(dim) is neither a name nor an expression", None),
        ("$dims.9", "$dims.9: there is no element 9 in [64, 128, 320], which has 3", None),
        ("$dims.x", "$dims.x: 'x' is not an index", None),
        ("$dim.x", "$dim.x: 64 has no elements", None),
        ("$table.heds", "$table.heds: there is no 'heds' in {'0': 'zero', 'heads': 4}", "did you mean 'heads'?"),
        ("$other.$flag", "$other.$flag: True cannot be a segment of a dotted name", None),
        ("$(dim / (index - 3))", "$(dim / (index - 3)): 64 / 0 divides by zero", None),
        ("$(dim % 0)", "$(dim % 0): 64 % 0 divides by zero", None),
        ("$(0 ** -1)", "$(0 ** -1): 0 ** -1 divides by zero", None),
        ("$((-8) ** 0.5)", "$((-8) ** 0.5): -8 ** 0.5 is not a real number", None),
        ("$(9 ** 9 ** 9)", "$(9 ** 9 ** 9): 9 ** 387420489 is too large", None),
        ("$(10 ** 15 + 1)", "$(10 ** 15 + 1): 1000000000000000 + 1 is too large", None),
        ("$(1e308 * 10)", "$(1e308 * 10): 1e+308 * 10 is too large", None),
        ("$(9.5 ** 999)", "$(9.5 ** 999): 9.5 ** 999 is too large", None),
        ("$(other * 3)", "$(other * 3): '*' takes numbers, not 'large'", None),
        ("$(other)", "$(other): the result is 'large', neither a number nor a truth", "write $name for it"),
        ("$(nothing)", "$(nothing): the result is None, neither a number nor a truth", "write $name for it"),
        ("$(dim < other)", "$(dim < other): '<' takes numbers, not 'large'", None),
        ("$(-other)", "$(-other): '-' takes numbers, not 'large'", None),
        ("$(1 if flag else 2)", "$(1 if flag else 2): there is no 'if' (column 3)", None),
        ("$(1e999)", "$(1e999): this number is too large (column 3)", None),
        (
            "$(dim + table.heads)",
            "$(dim + table.heads): there are no attributes; an element is written a[0] or a['k'] (column 9)",
            None,
        ),
        ("$(eval('1'))", "$(eval('1')): 'eval' cannot be called (column 3)", "only min, max, round and ceil can"),
        ("$(dim.bit_length())", "$(dim.bit_length()): this cannot be called (column 3)", None),
        ("$(min())", "$(min()): min takes 1 to 100 arguments, not 0 (column 3)", ""),
        ("$(min(*dims))", "$(min(*dims)): min takes plain arguments only (column 3)", None),
        ("$(max(dims, key=dim))", "$(max(dims, key=dim)): max takes plain arguments only (column 3)", None),
        ("$(max(dims, 1))", "$(max(dims, 1)): 'max' takes numbers, not [64, 128, 320]", None),
        ("$(dims[0:1])", "$(dims[0:1]): only one element can be taken (column 3)", "write a[0]"),
        ("$(dim in dims)", "$(dim in dims): 'in' and 'is' are not allowed (column 3)", None),
        ("$(dim @ 2)", "$(dim @ 2): this operator is not allowed (column 3)", None),
        ("$(~dim)", "$(~dim): '~' is not allowed (column 3)", None),
        ("$(1j)", "$(1j): 1j is neither a number nor a truth nor a text (column 3)", None),
        ("$([1])", "$([1]): there are no lists in an expression (column 3)", None),
        ("$(lambda: 1)", "$(lambda: 1): there are no functions in an expression (column 3)", None),
        (
            "$(round(5, -10 ** 9))",
            "$(round(5, -10 ** 9)): round(5, -1000000000): the digits of round are an integer within ±15",
            None,
        ),
    ],
)
def test_errors(text, message, hint):
    error = problem(text)
    assert error.message == message
    if hint is not None:
        assert error.hint == hint


@given(st.text(alphabet="$().[]'\"+-*/%<>=!,# \\\n019ajedimnotrue_{}:@é\x00", max_size=40))
def test_any_text_is_a_value_or_an_expression_error(text):
    for candidate in (text, f"${text}", f"$({text})"):
        try:
            late = parse(candidate)
            if isinstance(late, Late):
                late.evaluate(ENV)
        except ExpressionError as error:
            assert error.message  # noqa: PT017


def test_imports_neither_torch_nor_pydantic():
    code = (
        "import sys, vitdsl.errors, vitdsl.syntax.source, vitdsl.syntax.expressions; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'pydantic', 'networkx', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
