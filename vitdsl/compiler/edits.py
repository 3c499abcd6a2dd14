"""Changes to a spec that a model makes for its user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_pool(head: Any, pool: str | None) -> Any:
    """A head with another pool of all tokens; what else it does stays.

    Args:
        head: as a file has it: a mapping, a body, or outputs.
        pool: its type; None takes the pool away.

    Raises:
        ValueError: the head is a body in which no item pools all tokens.
    """
    if isinstance(head, Mapping) and "outputs" in head:
        return {**head, "outputs": {name: _body_with(body, pool) for name, body in head["outputs"].items()}}
    if isinstance(head, Mapping) and "body" in head:
        return {**head, "body": _body_with(head["body"], pool)}
    if head is None or isinstance(head, Mapping):
        rest = {key: value for key, value in (head or {}).items() if key != "pool"}
        return rest if pool is None else {**rest, "pool": pool}
    return _body_with(head, pool)


def _body_with(body: Any, pool: str | None) -> list[Any]:
    items = list(body) if isinstance(body, (list, tuple)) else [body]
    if not any(_pools(item) for item in items):
        raise ValueError("this head is a body without an item `pool` of its own, so it cannot have another one")
    made = []
    for item in items:
        if not _pools(item):
            made.append(item)
        elif pool is not None:
            made.append({"pool": pool} if isinstance(item, str) else {**item, "pool": pool})
    return made


def _pools(item: Any) -> bool:
    """Whether an item pools all tokens; with a kernel it makes the grid smaller."""
    if isinstance(item, Mapping) and "pool" in item:
        return not (isinstance(item["pool"], Mapping) and "kernel" in item["pool"])
    return item == "pool"
