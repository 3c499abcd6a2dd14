"""Forwards of models: from images to outputs, and from and to values between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from vitdsl.compiler.lower import FrameWriter, Written
from vitdsl.compiler.ropes import Piece, Rope, Writer
from vitdsl.compiler.rules import RULES
from vitdsl.compiler.statements import Forward, Returned, Value
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.layers.outputs import Outputs

Built = Mapping[str, Written]
OUTPUTS = "outputs"
"""The path of the layer that gives training and evaluation what is theirs."""
IMAGE = {"image": 0}
"""What a model takes, and its number in the model's frame."""


def write_model(graph: Graph, training_outputs: bool) -> Written:
    """The forward of a whole model; stages and head are written in place.

    Args:
        graph: the model.
        training_outputs: whether training returns what the head says, rather than the same as evaluation.
    """
    frame = _begun({}, graph, IMAGE)
    forward = frame.writer.forward
    forward.returned = _returned(frame, graph, training_outputs)
    forward.cut_at_once()
    forward.prune(modules=False)
    return frame.written


def write_values(built: Built, graph: Graph, entering: Mapping[str, int], values: Sequence[int]) -> Forward:
    """A forward that gives a list of values of the model's frame, and runs no more than they need.

    Args:
        built: what the model's modules were written as, by path.
        graph: the model, or a part of it.
        entering: by name, the numbers of the values that it takes, in the layouts in which it gives values.
        values: the numbers of those that it gives.
    """
    frame = _begun(built, graph, entering)
    forward = frame.writer.forward
    given = [_as_returned(frame.writer, frame.ropes[number], None) for number in values]
    forward.returned = Returned(given, several=True)
    forward.cut_at_once()
    forward.prune(modules=True)
    return forward


def write_rest(built: Built, graph: Graph, entering: Mapping[str, int], training_outputs: bool) -> Forward:
    """The forward from these values on: it gives what the model gives, in training if all of that follows from them."""
    frame = _begun(built, graph, entering)
    forward, training = frame.writer.forward, (graph.training or {}) if training_outputs else {}
    if all(number in frame.ropes for number in training.values()):
        forward.returned = _returned(frame, graph, training_outputs)
    else:
        outputs = [
            _as_returned(frame.writer, frame.ropes[graph.outputs[name]], graph.layout) for name in graph.evaluation
        ]
        forward.returned = Returned(outputs, [*graph.evaluation.values()])
    forward.cut_at_once()
    forward.prune(modules=True)
    return forward


def _begun(built: Built, graph: Graph, entering: Mapping[str, int]) -> FrameWriter:
    """The model's frame, all of whose steps are written."""
    writer = Writer(Forward(), outside=False)
    frame = FrameWriter(writer, graph.frame, Written("model", writer.forward), "", {}, RULES)
    frame.built = built
    for name, number in entering.items():
        entry = writer.forward.enter(name)
        frame.image = frame.image or entry
        frame.ropes[number] = _as_taken(writer, entry, graph.frame.features[number])
    frame.run()
    return frame


def _returned(frame: FrameWriter, graph: Graph, training_outputs: bool) -> Returned:
    """What a model gives: an output, or what its layer for outputs makes of them."""
    writer = frame.writer
    trained = (graph.training or {}) if training_outputs else {}
    evaluated = {_evaluated(name, graph, trained): graph.outputs[name] for name in graph.evaluation}
    values = {
        name: _as_returned(writer, frame.ropes[number], graph.layout)
        for name, number in {**evaluated, **trained}.items()
    }
    if outputs_of(graph, training_outputs) is None:
        return Returned([*values.values()])
    return Returned([writer.module(OUTPUTS, values)])


def outputs_of(graph: Graph, training_outputs: bool) -> partial[Outputs] | None:
    """What makes the layer that gives training and evaluation what is theirs; None: there is one output."""
    trained = graph.training if training_outputs else None
    if trained is None and [*graph.evaluation.values()] == [1.0]:
        return None
    weights = {_evaluated(name, graph, trained or {}): weight for name, weight in graph.evaluation.items()}
    return partial(Outputs, weights, None if trained is None else tuple(trained))


def _evaluated(name: str, graph: Graph, trained: Mapping[str, int]) -> str:
    """What an output of evaluation is called beside those of training: one of its name may be another value."""
    return name if trained.get(name, graph.outputs[name]) == graph.outputs[name] else f"{name} in evaluation"


def _as_returned(writer: Writer, rope: Rope, layout: str | None) -> Value:
    """A feature as callers get it: (B, C), (B, C, H, W), or (B, N, C)."""
    if rope.feature.num_tokens == 1 and rope.feature.grid is None:
        return writer.method("squeeze", writer.tokens(rope), 1)
    if rope.feature.grid is not None and not rope.feature.tokens and layout != "tokens":
        return writer.map_piece(rope).node
    return writer.tokens(rope)


def _as_taken(writer: Writer, node: Value, feature: Feature) -> Rope:
    """The feature that a caller's tensor is: (B, C), (B, C, H, W), or (B, N, C)."""
    count = feature.num_tokens
    if count == 1 and feature.grid is None:
        node = writer.method("unsqueeze", node, 1)
    if feature.grid is None or feature.tokens:
        return Rope(feature, [Piece(node, "tokens", 0, count, count, feature.grid)])
    writer.seen(feature.grid, node)
    return Rope(feature, [Piece(node, "map", 0, count, count, feature.grid)])
