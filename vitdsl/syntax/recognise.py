"""Which values of a file are late, and which are holes."""

from __future__ import annotations

from typing import Any

from vitdsl.errors import ExpressionError, Mark, Problem, SpecError
from vitdsl.syntax.expressions import Late, parse
from vitdsl.syntax.holes import KEYS as HOLE_KEYS
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.paths import format_path
from vitdsl.syntax.tree import Map, Seq

PROSE = ("name", "paper")
"""Keys of a file whose text is never late."""


def recognise(node: Any, path: tuple[str | int, ...]) -> Any:
    """Strings with `$` become late values, mappings with `choose` or `range` holes; all faults at once."""
    problems: list[Problem] = []
    tree = _late(node, None, path, problems)
    if problems:
        raise SpecError(problems)
    return tree


def _late(node: Any, mark: Mark | None, path: tuple[str | int, ...], problems: list[Problem]) -> Any:
    if isinstance(node, str) and "$" in node:
        try:
            late = parse(node)
            return late.evaluate({}) if isinstance(late, Late) and not late.names else late
        except ExpressionError as error:
            problems.append(Problem(error.message, format_path(path), mark, error.hint))
            return node
    if isinstance(node, Map):
        made = Map()
        hole = ("choose" in node or "range" in node) and node.keys() <= HOLE_KEYS
        for key, value in node.items():
            where = node.marks[key][1] if key in node.marks else None
            prose = not path and key in PROSE
            read = _condition if hole and key == "when" else _late
            made[key] = value if prose else read(value, where, (*path, key), problems)
        made.pos, made.marks = node.pos, node.marks
        return Hole(made) if hole else made
    if isinstance(node, Seq):
        marks = node.marks or [None] * len(node)
        made = Seq([_late(v, m, (*path, i), problems) for i, (v, m) in enumerate(zip(node, marks, strict=True))])
        made.pos, made.marks = node.pos, node.marks
        return made
    return node


def _condition(node: Any, mark: Mark | None, path: tuple[str | int, ...], problems: list[Problem]) -> Any:
    """What stands at a hole's `when`: late even where it names nothing, for its texts are paths of decisions."""
    if not isinstance(node, str) or "$" not in node:
        return node
    try:
        return parse(node)
    except ExpressionError as error:
        problems.append(Problem(error.message, format_path(path), mark, error.hint))
        return node
