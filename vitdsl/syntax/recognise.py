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
    tree = _recognised(node, None, path, problems)
    if problems:
        raise SpecError(problems)
    return tree


def _recognised(
    node: Any, mark: Mark | None, path: tuple[str | int, ...], problems: list[Problem], condition: bool = False
) -> Any:
    """`condition`: the value of a hole's `when`, late also without names, for its texts are paths of decisions."""
    if isinstance(node, str) and "$" in node:
        try:
            late = parse(node)
            return late.evaluate({}) if isinstance(late, Late) and not (late.names or condition) else late
        except ExpressionError as error:
            problems.append(Problem(error.message, format_path(path), mark, error.hint, code=error.code))
            return node
    if condition:
        return node
    if isinstance(node, Map):
        made = Map()
        hole = ("choose" in node or "range" in node) and node.keys() <= HOLE_KEYS
        for key, value in node.items():
            where = node.marks[key][1] if key in node.marks else None
            prose, condition = not path and key in PROSE, hole and key == "when"
            made[key] = value if prose else _recognised(value, where, (*path, key), problems, condition)
        return Hole(made.placed(node)) if hole else made.placed(node)
    if isinstance(node, Seq):
        marks = node.marks or [None] * len(node)
        pairs = enumerate(zip(node, marks, strict=True))
        return Seq([_recognised(value, where, (*path, i), problems) for i, (value, where) in pairs]).placed(node)
    return node
