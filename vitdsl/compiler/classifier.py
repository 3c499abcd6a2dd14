"""The classifiers of a model: where they are, and how a model is given others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from vitdsl.compiler.base import CompiledModel
from vitdsl.compiler.renewal import changed_layers, modes_of, renew, restore_checkpointing
from vitdsl.graph.graph import Graph
from vitdsl.graph.views.head import find_classifiers, split_head
from vitdsl.spec import load


def get_classifier(model: CompiledModel) -> nn.Module | dict[str, nn.Module] | None:
    """See `VisionModel.get_classifier`."""
    paths = find_classifiers(split_head(model.lowered).head, model.spec.model.classes).paths
    modules = {name: model.get_submodule(path) for name, path in paths.items()}
    return next(iter(modules.values()), None) if len(modules) < 2 else modules


def reset_classifier(model: CompiledModel, num_classes: int, global_pool: str | None) -> None:
    """See `VisionModel.reset_classifier`."""
    edits: dict[str, Any] = {"classes": num_classes}
    if global_pool is not None:
        edits["head"] = with_pool(model.spec.tree.get("head"), _pool(model.lowered, global_pool))
    like = next(model.parameters(), None)
    device = "cpu" if like is None else like.device
    spec = load(model.spec, set=edits)
    other = model.builder(spec, model.options, model.folded, device)
    if like is not None:
        other.to(like.dtype)
    other.train(model.training)
    modes = modes_of(model)
    renew(model, other, changed_layers(model.lowered, other.lowered))
    restore_checkpointing(model, modes)
    model.set_source(spec, other.lowered, other.written)


def _pool(graph: Graph, name: str) -> str | None:
    """A pool as specs call it; None: no pool."""
    if name == "token":
        split = split_head(graph)
        first = split.body.frame.features[next(iter(split.features.values()))]
        return next(iter(first.tokens), name)
    return {"": None, "avg": "mean"}.get(name, name)


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
    edited = []
    for item in items:
        if not _pools(item):
            edited.append(item)
        elif pool is not None:
            edited.append({"pool": pool} if isinstance(item, str) else {**item, "pool": pool})
    return edited


def _pools(item: Any) -> bool:
    """Whether an item pools all tokens; with a kernel it makes the grid smaller."""
    if isinstance(item, Mapping) and "pool" in item:
        return not (isinstance(item["pool"], Mapping) and "kernel" in item["pool"])
    return item == "pool"
