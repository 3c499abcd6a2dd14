"""Forwards of models: from images to outputs, and from and to values between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import fx

from vitdsl.compiler import names
from vitdsl.compiler.building import OUTPUTS
from vitdsl.compiler.ropes import Piece, Rope, Writer
from vitdsl.compiler.writing import FrameWriter, Written
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.layers.outputs import merged

Built = Mapping[str, Written]
IMAGE = {"image": 0}
"""What a model takes, and its number in the model's frame."""


def write_model(graph: Graph, training_outputs: bool) -> Written:
    """The forward of a whole model; stages and head are written in place.

    Args:
        graph: the model.
        training_outputs: whether training returns what the head says, rather than the same as evaluation.
    """
    frame = _begun({}, graph, IMAGE)
    _write_outputs(frame, graph, training_outputs)
    return frame.written


def write_values(built: Built, graph: Graph, entering: Mapping[str, int], values: Sequence[int]) -> fx.Graph:
    """A forward that gives a list of values of the model's frame, and runs no more than they need.

    Args:
        built: what the model's modules were written as, by path.
        graph: the model, or a part of it.
        entering: by name, the numbers of the values that it takes, in the layouts in which it gives values.
        values: the numbers of those that it gives.
    """
    frame = _begun(built, graph, entering)
    code = frame.writer.graph
    code.output([_as_returned(frame.writer, frame.ropes[number], None) for number in values])
    return _pruned(code)


def write_rest(built: Built, graph: Graph, entering: Mapping[str, int], training_outputs: bool) -> fx.Graph:
    """The forward from these values on: it gives what the model gives, in training if all of that follows from them."""
    frame = _begun(built, graph, entering)
    writer, training = frame.writer, (graph.training or {}) if training_outputs else {}
    if all(number in frame.ropes for number in training.values()):
        _write_outputs(frame, graph, training_outputs)
    else:
        weights, _ = returned(graph, False)
        outputs = [_as_returned(writer, frame.ropes[graph.outputs[name]], graph.layout) for name in graph.evaluation]
        writer.graph.output(writer.function(merged, outputs, weights, name="merged"))
    return _pruned(writer.graph)


def _pruned(code: fx.Graph) -> fx.Graph:
    """The same without what nothing reads."""
    for node in reversed(code.nodes):
        if not node.users and node.op not in ("output", "placeholder"):
            code.erase_node(node)
    return code


def _begun(built: Built, graph: Graph, entering: Mapping[str, int]) -> FrameWriter:
    """The model's frame, all of whose steps are written."""
    writer = Writer(fx.Graph(), outside=False)
    frame = FrameWriter(writer, graph.frame, Written("Model", writer.graph), "", {})
    frame.built = built
    for name, number in entering.items():
        placeholder = names.parameter(writer.graph, name)
        frame.image = frame.image or placeholder
        frame.ropes[number] = _as_taken(writer, placeholder, graph.frame.features[number])
    frame.run()
    return frame


def returned(graph: Graph, training_outputs: bool) -> tuple[list[float], list[str] | None]:
    """Weights of the outputs that evaluation merges, and names of those that training returns (None: as evaluation)."""
    training = graph.training if training_outputs else None
    return list(graph.evaluation.values()), None if training is None else list(training)


def _write_outputs(frame: FrameWriter, graph: Graph, training_outputs: bool) -> None:
    writer = frame.writer
    made: dict[int, fx.Node] = {}

    def tensor(number: int) -> fx.Node:
        if number not in made:
            made[number] = _as_returned(writer, frame.ropes[number], graph.layout)
        return made[number]

    weights, trained = returned(graph, training_outputs)
    evaluated = [tensor(graph.outputs[name]) for name in graph.evaluation]
    if trained is None and weights == [1.0]:
        writer.graph.output(evaluated[0])
        return
    kept = [] if trained is None or graph.training is None else [tensor(number) for number in graph.training.values()]
    writer.graph.output(writer.module(OUTPUTS, evaluated, kept, name=OUTPUTS))


def _as_returned(writer: Writer, rope: Rope, layout: str | None) -> fx.Node:
    """A feature as callers get it: (B, C), (B, C, H, W), or (B, N, C)."""
    if rope.feature.num_tokens == 1 and rope.feature.grid is None:
        return writer.method("squeeze", writer.tokens(rope), 1)
    if rope.feature.grid is not None and not rope.feature.tokens and layout != "tokens":
        return writer.map_piece(rope).node
    return writer.tokens(rope)


def _as_taken(writer: Writer, node: fx.Node, feature: Feature) -> Rope:
    """The feature that a caller's tensor is: (B, C), (B, C, H, W), or (B, N, C)."""
    count = feature.num_tokens
    if count == 1 and feature.grid is None:
        node = writer.method("unsqueeze", node, 1)
    if feature.grid is None or feature.tokens:
        return Rope(feature, [Piece(node, "tokens", 0, count, count, feature.grid)])
    writer.seen(feature.grid, node)
    return Rope(feature, [Piece(node, "map", 0, count, count, feature.grid)])
