"""What a tree has in it: gathered once for each mapping and list, since a search changes few of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.tree import Map, Seq

PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types of values in which nothing stands."""


class Facts:
    """What stands in a tree.

    Attributes:
        names: names that its late values read.
        late: whether it has late values or holes.
        holes: whether it has holes.
        uses: whether it has a `use`, and so depends on the file's defines.
    """

    __slots__ = ("holes", "late", "names", "uses")

    def __init__(self, names: frozenset[str], late: bool, holes: bool, uses: bool) -> None:
        self.names, self.late, self.holes, self.uses = names, late, holes, uses


NOTHING, USES = Facts(frozenset(), False, False, False), Facts(frozenset(), False, False, True)


def facts(node: Any) -> Facts:
    """What stands in a tree, or in a plain mapping or list."""
    kind = node.__class__
    if kind is Map or kind is Seq:
        own = node.__dict__.get("facts")
        if own is None:
            own = node.__dict__["facts"] = _gathered(node, kind is Map)
        return own
    if kind in PLAIN:
        return NOTHING
    if kind is Late:
        return _of_late(node.names)
    if kind is Hole:
        inside = facts(node.raw)
        return Facts(inside.names, True, True, inside.uses)
    return _gathered(node, isinstance(node, dict)) if isinstance(node, (dict, list, tuple)) else NOTHING


@lru_cache(maxsize=4096)
def _of_late(names: frozenset[str]) -> Facts:
    return Facts(names, True, False, False)


def _gathered(node: Any, mapping: bool) -> Facts:
    found = []
    for value in node.values() if mapping else node:
        kind = value.__class__
        if kind not in PLAIN:
            each = value.__dict__.get("facts") if kind is Map or kind is Seq else None
            if each is None:
                each = facts(value)
            if each is not NOTHING:
                found.append(each)
    use = mapping and "use" in node
    if not found:
        return USES if use else NOTHING
    if len(found) == 1 and (found[0].uses or not use):
        return found[0]
    names = NOTHING.names.union(*[each.names for each in found])
    return Facts(
        names, any(each.late for each in found), any(each.holes for each in found),
        use or any(each.uses for each in found),
    )  # fmt: skip
