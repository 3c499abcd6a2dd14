"""New trees out of old ones: one merged over another, or with a value put in. What does not change is shared."""

from __future__ import annotations

from typing import Any

from vitdsl.errors import Mark, Problem, SpecError
from vitdsl.syntax.paths import format_path
from vitdsl.syntax.tree import Map, Seq


def merge(base: Any, over: Any) -> Any:
    """`over` laid over `base` by key, at every depth; lists, and mappings of another type or role, replace."""
    if not isinstance(base, dict) or not isinstance(over, dict) or _other_kind(base, over):
        return over
    made = Map(base)
    marks = dict(getattr(base, "marks", {}))
    for key, value in over.items():
        if value is None:
            made.pop(key, None)
            continue
        made[key] = merge(base[key], value) if key in base else value
        if key in getattr(over, "marks", {}):
            marks[key] = over.marks[key]  # type: ignore[attr-defined]
    made.pos, made.marks = getattr(over, "pos", None) or getattr(base, "pos", None), marks
    return made


ROLE_KEYS = frozenset({
    "mixer", "mlp", "conv", "linear", "norm", "activation", "pool", "unfold", "fold", "resize", "scale", "dropout",
    "point", "classifier", "body", "parallel", "use",
})  # fmt: skip


def _other_kind(base: dict[str, Any], over: dict[str, Any]) -> bool:
    if "type" in over and over["type"] != base.get("type", over["type"]):
        return True
    if "use" in over and over["use"] != base.get("use", over["use"]):
        return True
    mine, theirs = ROLE_KEYS & over.keys(), ROLE_KEYS & base.keys()
    item = (
        len(mine) == 1 and len(theirs) == 1 and "stages" not in base and "tokenizer" not in base and "depth" not in base
    )
    return item and mine != theirs


def put(tree: Any, path: tuple[Any, ...], value: Any, origin: Mark | None, label: str) -> Any:
    """The tree with `value` at a path; only what lies on the path is copied. None takes the key out."""
    return _put(tree, path, 0, value, origin, label)


def _put(node: Any, path: tuple[Any, ...], at: int, value: Any, origin: Mark | None, label: str) -> Any:
    if at == len(path):
        return value
    segment = path[at]
    if isinstance(segment, int) and isinstance(node, Map) and segment == 0:
        return _put(node, path, at + 1, value, origin, label)  # a mapping is a list of one
    if isinstance(segment, int):
        if not isinstance(node, list) or not segment < len(node):
            _nowhere(node, path, at, origin, label)
        there: Any = node[segment]  # type: ignore[index]
        made = node.copy() if isinstance(node, Seq) else Seq(node)
        made[segment] = _put(there, path, at + 1, value, origin, label)
        if at + 1 == len(path) and origin and made.marks:
            made.marks[segment] = origin
        return made
    if not isinstance(segment, str) or (not isinstance(node, dict) and node is not None):
        _nowhere(node, path, at, origin, label)
    made = (node if isinstance(node, Map) else Map(node or {})).copy()
    if value is None and at + 1 == len(path):
        made.pop(segment, None)
        return made
    made[segment] = _put(made.get(segment), path, at + 1, value, origin, label)
    if origin and (at + 1 == len(path) or segment not in made.marks):
        made.marks[segment] = (origin, origin)
    return made


def _nowhere(node: Any, path: tuple[Any, ...], at: int, origin: Mark | None, label: str) -> None:
    before = format_path(path[:at]) or "the file"
    if isinstance(node, list):
        there = f"{before} is a list of {len(node)}"
    elif isinstance(node, dict):
        there = f"{before} is a mapping with {', '.join(node)}"
    else:
        there = f"{before} is {node!r}" if node is not None else f"there is no {before}"
    raise SpecError(Problem(f"the path {format_path(path)} leads nowhere: {there}", label, origin))
