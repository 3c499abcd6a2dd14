"""Python text that is laid out late: numbers that come in, and lines that are broken."""

from __future__ import annotations

import ast
from random import Random

from tests.hostile import NAMES
from vitdsl.compiler.expressions import WIDTH, Apply, Expression, Slot, filled, in_line, in_lines, quoted, slots


def drawn(draw: Random, depth: int = 0) -> Expression:
    """An expression, deeper ones with more in them."""
    kind = draw.randrange(6) if depth < 4 else 0
    if kind == 0:
        return draw.choice(["x", "self.stages[0].norm", "y2", "a_name_that_is_rather_long", "None"])
    if kind == 1:
        return Apply(f"{draw.choice(['f', 'self.norm', 'nn.Linear'])}(", several(draw, depth))
    if kind == 2:
        return Apply("[", several(draw, depth), "]")
    if kind == 3:
        return ("(", drawn(draw, depth + 1), " + ", drawn(draw, depth + 1), ")")
    if kind == 4:
        return (drawn(draw, 4), Apply(".flatten(", several(draw, depth)))
    return (drawn(draw, depth + 1), Apply(".transpose(", ("1", "2")), Apply(".split(", several(draw, depth)))


def several(draw: Random, depth: int) -> tuple[Expression, ...]:
    return tuple(drawn(draw, depth + 1) for _ in range(draw.randrange(4)))


def test_breaking_a_line_changes_nothing() -> None:
    broken = 0
    for number in range(500):
        draw = Random(number)
        expression, indent = drawn(draw), 4 * draw.randrange(12)
        lines = in_lines(expression, indent, "y = ")
        one = " " * indent + "y = " + in_line(expression)
        text = "\n".join(line.removeprefix(" " * indent) for line in lines)
        assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(one.strip()))
        assert all(line.startswith(" " * indent) for line in lines)
        assert len(one) > WIDTH or lines == [one]
        broken += len(lines) > 1
    assert broken > 100


def test_a_line_is_as_short_as_it_can_be() -> None:
    """What is too long is broken at its brackets, and what is flat is packed."""
    flat = Apply("f(", tuple(f"argument{number}" for number in range(30)))
    nested = Apply("g(", (flat, Apply("h(", ("x",)), "y"))
    for expression, count in ((flat, 8), (nested, 12)):
        lines = in_lines(expression, 8)
        assert len(lines) < count
        assert max(map(len, lines)) <= WIDTH
    assert in_lines(nested, 0)[0] == "g("
    assert in_lines(nested, 0)[-2:] == ["    y,", ")"]


def test_an_argument_for_which_nothing_comes_is_left_out() -> None:
    call = Apply("f(", (Slot(1, "dim"), Slot(1e-5, "eps", before="eps="), ("mode=", Slot(3, "mode"))))
    assert [each.name for each in slots(call)] == ["dim", "eps", "mode"]
    assert in_line(filled(call, iter(["dim", "", "2 * dim"]))) == "f(dim, mode=2 * dim)"
    assert in_line(filled(call, iter(["4", "1e-06", "x"]))) == "f(4, eps=1e-06, mode=x)"


def test_texts_are_quoted() -> None:
    """Whatever they hold, on one line, with the quotes that code is written with where that can be."""
    for text in (*NAMES, "\0", "\u2028", "\x0c", "'\"", "'''", '"""', "\\", "\r\n", "\ud800"):
        found = quoted(text)
        assert ast.literal_eval(found) == text
        assert found.isprintable()
        assert found[0] == '"' or '"' in text
