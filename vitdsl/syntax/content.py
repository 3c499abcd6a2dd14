"""Numbers for what trees hold: the keys of every memo."""

from __future__ import annotations

import itertools
from typing import Any

from vitdsl.memo import Identity, Table
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.tree import Map, Seq

_ids = Table(200_000)
_count = itertools.count()


def content(node: Any) -> int:
    """A number for what a tree holds: equal trees have the same one, positions apart."""
    kind = node.__class__
    if kind is Map or kind is Seq:
        own = node.__dict__.get("content")
        if own is None:
            own = node.__dict__["content"] = _number(_key(node))
        return own
    return _number(_key(node))


def _key(node: Any) -> Any:
    """The key of a tree: equal for equal trees, positions apart."""
    if isinstance(node, dict):
        return ("m", *node, *[_part(value) for value in node.values()])
    if isinstance(node, (list, tuple)):
        return ("s", *[_part(value) for value in node])
    return _part(node)


def _part(node: Any) -> Any:
    kind = node.__class__
    if kind is str:
        return node
    if kind in _SCALARS:
        return (kind, node)
    if kind is Map or kind is Seq:
        own = node.__dict__.get("content")
        return content(node) if own is None else own
    if isinstance(node, (dict, list, tuple)):
        return content(node)
    if isinstance(node, Late):
        return (Late, node.text)
    if isinstance(node, Hole):
        return (Hole, content(node.raw))
    return Identity(node)


_SCALARS = frozenset({int, float, bool, type(None)})


def _number(key: Any) -> int:
    """The number of a key; no number is given twice, also after the table was emptied."""
    number = _ids.get(key)
    return _ids.keep(key, next(_count)) if number is None else number
