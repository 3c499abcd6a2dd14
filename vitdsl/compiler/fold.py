"""Batch norms folded into the linear maps beside them: the same function in evaluation, with fewer operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, Node, cost_of, joined
from vitdsl.layers.norms import scale_and_shift
from vitdsl.parts.primitives.batch import Batch
from vitdsl.parts.primitives.conv import Conv
from vitdsl.parts.primitives.linear import Linear


class Fold(NamedTuple):
    """One batch norm that went: its module path, that of the linear map, and whether it stood before it."""

    norm: str
    linear: str
    before: bool
    eps: float


def fold_graph(graph: Graph) -> Graph:
    """The graph without the batch norms that follow a convolution or linear map, or stand before a linear map.

    Requires: any graph. Ensures: equal outputs in evaluation, for weights folded by `fold_state`; the linear maps
    beside a norm that went have a bias. Modified: frames are new where anything in them changed.
    """
    memo: dict[int, Frame] = {}
    return graph._replace(frame=_fold_frame(graph.frame, memo))


def find_folds(graph: Graph) -> Iterator[Fold]:
    """What `fold_graph` folds, by full module path."""
    yield from _find_folds(graph.frame, "")


def fold_state(graph: Graph, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the folded model.

    Args:
        graph: the graph before it was folded.
        state: its model's state dict.
    """
    weights = dict(state)
    for fold in find_folds(graph):
        mean, var = weights[f"{fold.norm}.running_mean"], weights[f"{fold.norm}.running_var"]
        own, moved = weights.get(f"{fold.norm}.weight"), weights.get(f"{fold.norm}.bias")
        scale, shift = scale_and_shift(mean, var, own, moved, fold.eps)
        weight = weights[f"{fold.linear}.weight"]
        bias = weights.get(
            f"{fold.linear}.bias", torch.zeros_like(weight[:, 0].flatten(1)[:, 0] if weight.ndim > 2 else weight[:, 0])
        )
        if fold.before:
            weights[f"{fold.linear}.weight"] = weight * scale
            weights[f"{fold.linear}.bias"] = bias + weight @ shift
        else:
            weights[f"{fold.linear}.weight"] = weight * scale.view(-1, *[1] * (weight.ndim - 1))
            weights[f"{fold.linear}.bias"] = bias * scale + shift
        for key in [key for key in weights if key.rpartition(".")[0] == fold.norm]:
            del weights[key]
    return weights


def norm_pairs(frame: Frame) -> Iterator[tuple[Node, Node, bool]]:
    """Each batch norm with the linear map that takes it up, and whether it stands before it."""
    readers: Counter[int | None] = Counter(
        number for step in frame.steps for number in (step.inputs if isinstance(step, Node) else step.reads.values())
    )
    kept = (*frame.outputs.values(), *frame.marks.values(), *frame.ends, *frame.maps, frame.start)
    readers.update((*kept, *(n for ns in frame.appends.values() for n in ns)))
    makers = {step.output: step for step in frame.steps if isinstance(step, Node)}
    calls = Counter(step.path for step in frame.steps if isinstance(step, Node))
    used: set[int] = set()
    for step in frame.steps:
        if not isinstance(step, Node) or calls[step.path] > 1 or len(step.inputs) != 1:
            continue
        source = makers.get(step.inputs[0])
        if source is None or readers[step.inputs[0]] != 1 or calls[source.path] > 1 or id(source) in used:
            continue
        if isinstance(step.op, Batch) and type(source.op) in (Conv, Linear):
            used.add(id(step))
            yield step, source, False
        elif isinstance(source.op, Batch) and type(step.op) is Linear:
            yield source, step, True


def _find_folds(frame: Frame, prefix: str) -> Iterator[Fold]:
    for norm, linear, before in norm_pairs(frame):
        assert isinstance(norm.op, Batch)
        yield Fold(joined(prefix, norm.path), joined(prefix, linear.path), before, norm.op.eps)
    for step in frame.steps:
        if isinstance(step, Call):
            for path, inner in step.paths():
                yield from _find_folds(inner, joined(prefix, path))


def _fold_frame(frame: Frame, memo: dict[int, Frame]) -> Frame:
    if id(frame) in memo:
        return memo[id(frame)]
    folded = memo[id(frame)] = Frame()
    folded.features, folded.inputs, folded.outputs = frame.features, frame.inputs, frame.outputs
    folded.appends, folded.blocks, folded.marks = frame.appends, frame.blocks, frame.marks
    folded.start, folded.ends, folded.maps, folded.idle = frame.start, frame.ends, frame.maps, frame.idle
    removed, changed = {}, {}
    for norm, linear, before in norm_pairs(frame):
        removed[id(norm)] = norm
        changed[id(linear)] = linear._replace(inputs=norm.inputs) if before else linear._replace(output=norm.output)
    for step in frame.steps:
        if isinstance(step, Call):
            folded.steps.append(step._replace(frames=tuple(_fold_frame(inner, memo) for inner in step.frames)))
        elif id(step) not in removed:
            folded.steps.append(_add_bias(frame, changed[id(step)]) if id(step) in changed else step)
    folded.recount()
    return folded


def _add_bias(frame: Frame, node: Node) -> Node:
    """A linear map with the bias that the norm leaves behind."""
    op = node.op.replace(bias=True, norm=None)
    inputs = [frame.features[number] for number in node.inputs]
    return node._replace(op=op, cost=cost_of(op, inputs, frame.features[node.output], node.times))
