"""Spoils specs on purpose."""

from __future__ import annotations

import copy
from typing import Any

from tests.hybrids.pen import Pen

WRONG: tuple[Any, ...] = (
    0, -1, 3, 7, 1.5, 10**12, "none", "nope", "all", "grid", "cls", "x", None, True, False, [], {}, [0], [3, 3], {"type": "layer"}, "$dim", "$(dim * 3)",
    "$nothing", "$(1 / 0)", "$index", {"kernel": 3}, [{"mlp": {}}], {"choose": [1, 2]}, "[", "a: b", {"from": "x"}, "gelu", [["x"]], 1e300, "$(",
)  # fmt: skip


def spoil(pen: Pen, tree: dict[str, Any]) -> None:
    """Changes one place of a tree into something that is most often wrong."""
    found = list(places(tree))
    holder, key = found[pen.number(0, len(found) - 1)]
    how = pen.pick("replace", "replace", "delete", "rename", "move", "twice")
    if how == "replace":
        holder[key] = copy.deepcopy(pen.pick(*WRONG))
    elif how == "delete":
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(0, copy.deepcopy(holder[key]))
    elif how == "rename":
        holder[f"{key}s"] = holder.pop(key)
    else:
        other, place = found[pen.number(0, len(found) - 1)]
        other[place] = copy.deepcopy(holder[key])


def places(node: Any) -> Any:
    """Every place of a tree: what holds it, and its key."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield node, key
        yield from places(value)
