"""Forwards of models: from images to outputs, and from and to intermediate values."""

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
"""Module path of the layer that selects and merges outputs for training and evaluation."""
IMAGE = {"image": 0}
"""The input of a model, with its number in the model's frame."""


def write_model(graph: Graph, training_outputs: bool) -> Written:
    """Lowers a whole model; stages and head are inlined.

    Args:
        graph: the model.
        training_outputs: whether training returns what the head's `training` names, instead of the same as evaluation.
    """
    frame = _write_steps(None, graph, IMAGE)
    forward = frame.writer.forward
    if graph.evaluation:
        forward.returned = _returned(frame, graph, training_outputs)
    else:
        given = [_as_returned(frame.writer, frame.ropes[number], None) for number in graph.outputs.values()]
        forward.returned = Returned(given, several=True)
    forward.cut_at_once()
    forward.prune(modules=False)
    return frame.written


def write_values(built: Built, graph: Graph, entering: Mapping[str, int], values: Sequence[int]) -> Forward:
    """Writes a forward that returns values of the model's frame, and computes only what they need.

    Args:
        built: the lowered frames of the repetitions that are called as modules, by path; any other is written in place.
        graph: the model, or a section of it.
        entering: numbers of the values that it takes, by name; they have the layouts of returned values.
        values: numbers of the values that it returns.
    """
    frame = _write_steps(built, graph, entering)
    forward = frame.writer.forward
    given = [_as_returned(frame.writer, frame.ropes[number], None) for number in values]
    forward.returned = Returned(given, several=True)
    forward.cut_at_once()
    forward.prune(modules=True)
    return forward


def write_rest(built: Built, graph: Graph, entering: Mapping[str, int], training_outputs: bool) -> Forward:
    """Writes the forward from intermediate values to the model's outputs.

    It returns those of training only if all of them follow from these values. Arguments are as in `write_values`.
    """
    frame = _write_steps(built, graph, entering)
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


def _write_steps(built: Built | None, graph: Graph, entering: Mapping[str, int]) -> FrameWriter:
    """Writes all steps of the model's frame."""
    writer = Writer(Forward(), sizes_as_parameters=False)
    frame = FrameWriter(writer, graph.frame, Written("model", writer.forward), "", {}, RULES)
    frame.built = built
    for name, number in entering.items():
        entry = writer.forward.enter(name)
        frame.image = frame.image or entry
        frame.ropes[number] = _as_taken(writer, entry, graph.frame.features[number])
    frame.run()
    return frame


def _returned(frame: FrameWriter, graph: Graph, training_outputs: bool) -> Returned:
    """The result of a model: its output, or the result of the layer that merges outputs."""
    writer = frame.writer
    trained = (graph.training or {}) if training_outputs else {}
    evaluated = {_evaluation_name(name, graph, trained): graph.outputs[name] for name in graph.evaluation}
    values = {
        name: _as_returned(writer, frame.ropes[number], graph.layout)
        for name, number in {**evaluated, **trained}.items()
    }
    if outputs_of(graph, training_outputs) is None:
        return Returned([*values.values()])
    return Returned([writer.module(OUTPUTS, values)])


def outputs_of(graph: Graph, training_outputs: bool) -> partial[Outputs] | None:
    """Makes the layer that selects and merges outputs; None if there is one output, or a list, which need no layer."""
    if not graph.evaluation:
        return None
    trained = graph.training if training_outputs else None
    if trained is None and [*graph.evaluation.values()] == [1.0]:
        return None
    weights = {_evaluation_name(name, graph, trained or {}): weight for name, weight in graph.evaluation.items()}
    return partial(Outputs, weights, None if trained is None else tuple(trained))


def _evaluation_name(name: str, graph: Graph, trained: Mapping[str, int]) -> str:
    """The name of an output of evaluation, made different from an output of training with another value."""
    return name if trained.get(name, graph.outputs[name]) == graph.outputs[name] else f"{name} in evaluation"


def _as_returned(writer: Writer, rope: Rope, layout: str | None) -> Value:
    """The tensor of a feature for callers: (B, C), (B, C, H, W), or (B, N, C)."""
    if rope.feature.num_tokens == 1 and rope.feature.grid is None:
        return writer.method("squeeze", writer.tokens(rope), 1)
    if rope.feature.grid is not None and not rope.feature.tokens and layout != "tokens":
        return writer.map_piece(rope).node
    return writer.tokens(rope)


def _as_taken(writer: Writer, node: Value, feature: Feature) -> Rope:
    """The rope of a tensor from a caller: (B, C), (B, C, H, W), or (B, N, C)."""
    count = feature.num_tokens
    if count == 1 and feature.grid is None:
        node = writer.method("unsqueeze", node, 1)
    if feature.grid is None or feature.tokens:
        return Rope(feature, [Piece(node, "tokens", 0, count, count, feature.grid)])
    writer.note_map(feature.grid, node)
    return Rope(feature, [Piece(node, "map", 0, count, count, feature.grid)])
