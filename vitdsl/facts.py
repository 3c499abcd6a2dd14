"""What a tree has in it: gathered once for each mapping and list, since a search changes few of them."""

from __future__ import annotations

from typing import Any

from vitdsl.expressions import Late
from vitdsl.holes import Hole
from vitdsl.tree import Map, Seq

_PLAIN = frozenset({str, int, float, bool, type(None)})


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


NOTHING = Facts(frozenset(), False, False, False)


def facts(node: Any) -> Facts:
    """What stands in a tree, or in a plain mapping or list."""
    if isinstance(node, (Map, Seq)):
        own = node.__dict__.get("facts")
        if own is None:
            own = node.__dict__["facts"] = _gathered(node)
        return own
    if isinstance(node, Late):
        return Facts(node.names, True, False, False)
    if isinstance(node, Hole):
        inside = facts(node.raw)
        return Facts(inside.names, True, True, inside.uses)
    return _gathered(node) if isinstance(node, (dict, list, tuple)) else NOTHING


def _gathered(node: Any) -> Facts:
    mapping = isinstance(node, dict)
    inside = [facts(value) for value in (node.values() if mapping else node) if value.__class__ not in _PLAIN]
    found = [each for each in inside if each is not NOTHING]
    use = mapping and "use" in node
    if not found:
        return Facts(NOTHING.names, False, False, True) if use else NOTHING
    names = found[0].names if len(found) == 1 else NOTHING.names.union(*[each.names for each in found])
    return Facts(
        names, any(each.late for each in found), any(each.holes for each in found),
        use or any(each.uses for each in found),
    )  # fmt: skip
