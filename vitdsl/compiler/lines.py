"""The lines of a forward, and how they become text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vitdsl.compiler.arguments import number_text
from vitdsl.compiler.expressions import Expression, Slot, filled, in_lines, slots


class Line(NamedTuple):
    """A line of a forward.

    Attributes:
        indent: columns, below `def`.
        before: text in front of the expression.
        expression: what may be broken.
        comment: the shape of what the line makes.
    """

    indent: int
    before: str
    expression: Expression
    comment: Slot | None = None


def line_slots(lines: list[Line]) -> Iterator[Slot]:
    """The numbers in lines and in their comments, in order."""
    for line in lines:
        yield from slots(line.expression)
        if line.comment is not None:
            yield line.comment


def print_lines(lines: list[Line], texts: Iterator[str]) -> list[str]:
    """The lines of a forward as text. A comment says a shape that is another than the last one said.

    Args:
        lines: of the forward.
        texts: what stands in each slot, as `line_slots` gives them.
    """
    printed: list[str] = []
    last = ""
    for line in lines:
        expression = filled(line.expression, texts)
        shape = "" if line.comment is None else next(texts)
        comment = f"  # {shape}" if shape not in ("", last) else ""
        last = shape or last
        found = in_lines(expression, line.indent + 4, line.before)
        printed += [*found[:-1], found[-1] + comment]
    return printed


def plain_text(lines: list[Line]) -> str:
    """The text of a forward whose numbers are what they are."""
    texts = (str(slot.value) if slot.letters else number_text(slot.value) for slot in line_slots(lines))
    return "\n".join(print_lines(lines, texts))
