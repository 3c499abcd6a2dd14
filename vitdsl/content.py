"""Numbers for what trees hold: the keys of every memo."""

from __future__ import annotations

import itertools
from typing import Any

from vitdsl.expressions import Late
from vitdsl.holes import Hole
from vitdsl.tree import Map, Seq

_ids: dict[Any, int] = {}
_count = itertools.count()
MAX_IDS = 200_000


def content(node: Any) -> int:
    """A number for what a tree holds: equal trees have the same one, positions apart."""
    if isinstance(node, (Map, Seq)):
        own = node.__dict__.get("content")
        if own is None:
            if isinstance(node, Map):
                own = _number(("m", *((key, content(value)) for key, value in node.items())))
            else:
                own = _number(("s", *(content(value) for value in node)))
            node.__dict__["content"] = own
        return own
    if isinstance(node, Hole):
        return _number(("hole", content(node.raw)))
    if isinstance(node, dict):
        return _number(("m", *((key, content(value)) for key, value in node.items())))
    if isinstance(node, (list, tuple)):
        return _number(("s", *(content(value) for value in node)))
    if isinstance(node, (str, int, float, bool, type(None), Late)):
        return _number((node.__class__, node))
    return _number(("object", id(node), _kept.setdefault(id(node), node) is node))


_kept: dict[int, Any] = {}


def _number(key: Any) -> int:
    number = _ids.get(key)
    if number is None:
        if len(_ids) >= MAX_IDS:
            forget()
        number = _ids[key] = next(_count)
    return number


def forget() -> None:
    """Empties the tables of contents and of files read; numbers are never given twice."""
    _ids.clear()
    _kept.clear()
