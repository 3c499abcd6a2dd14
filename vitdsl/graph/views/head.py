"""A graph cut in two before its head, and the classifiers of that head."""

from __future__ import annotations

from typing import NamedTuple

from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import CONCATENATED, HEAD, Call, Frame, Node, joined
from vitdsl.graph.views.blocks import copy_frame
from vitdsl.parts.primitives.linear import Linear

FEATURES = "features"
"""The name of what a head pools and classifies, where a norm of its own makes it."""


class Split(NamedTuple):
    """A graph in two.

    Attributes:
        body: all before the head, and the head's norm.
        features: by stream, the numbers in both of the values that the head starts from.
        head: what follows. Its `training` may name streams that are made before it.
    """

    body: Graph
    features: dict[str, int]
    head: Graph


def split_head(graph: Graph) -> Split:
    """The graph before and behind what its head pools.

    Requires: a graph whose last step is the call of its head. Ensures: the one's features entering the other give the
    model's outputs. Modified: both have frames of their own, in which the values of the old one keep their numbers.
    """
    body, head = copy_frame(graph.frame), copy_frame(graph.frame)
    step = body.steps.pop()
    assert isinstance(step, Call) and step.path == HEAD
    inner = step.frames[0]
    index = next((i + 1 for i, s in enumerate(inner.steps) if isinstance(s, Node) and s.output == inner.start), 0)
    before, after = copy_frame(inner), copy_frame(inner)
    before.steps, after.steps = inner.steps[:index], inner.steps[index:]
    names = {number: name for name, number in inner.inputs.items()}
    after.inputs, features = {}, {}
    before.outputs, before.appends, gives = {}, {}, {}
    for number in _find_entering(after):
        name = names.get(number, FEATURES)
        after.inputs[name] = number
        if number in names:
            features[name] = step.reads[name]
        else:
            before.outputs[name] = number
            features[name] = gives[name] = body.add_value(inner.features[number])
    if gives:
        body.steps.append(step._replace(frames=(before,), gives=gives, appends={}))
    head.features, head.inputs, head.outputs = body.features, dict(features), step.gives
    head.steps = [step._replace(frames=(after,), reads=dict(features))]
    body.outputs = {name: number for name, number in body.outputs.items() if number not in step.gives.values()}
    for frame in (before, after, body, head):
        frame.recount()
    before_head = graph._replace(frame=body, outputs={}, evaluation={}, training=None)
    return Split(before_head, features, graph._replace(frame=head))


def _find_entering(frame: Frame) -> list[int]:
    """The numbers of the values that the steps and outputs of a frame need and do not make, in order."""
    needed: dict[int, None] = {}
    defined: set[int] = set()
    for step in frame.steps:
        read = step.inputs if isinstance(step, Node) else step.reads.values()
        needed.update(dict.fromkeys(number for number in read if number not in defined))
        defined.update([step.output] if isinstance(step, Node) else [*step.gives.values(), *step.appends.values()])
    ends = [*frame.outputs.values(), *(number for numbers in frame.appends.values() for number in numbers)]
    needed.update(dict.fromkeys(number for number in ends if number not in defined))
    return list(needed)


class Classifiers(NamedTuple):
    """The classifiers of a head.

    Attributes:
        head: the head's graph, which also gives the values that enter the classifiers.
        paths: module paths, by output.
        entering: numbers of the values that enter them, by output. An output without a classifier has its own number.
    """

    head: Graph
    paths: dict[str, str]
    entering: dict[str, int]


def find_classifiers(head: Graph, classes: int) -> Classifiers:
    """The linear map to the classes that is the last with weights before each output of a head.

    Args:
        head: of `split_head`.
        classes: their number; with 0 there is no classifier.
    """
    frame = copy_frame(head.frame)
    (step,) = frame.steps
    assert isinstance(step, Call)
    inner = copy_frame(step.frames[0])
    makers = {node.output: node for node in inner.steps if isinstance(node, Node)}
    paths: dict[str, str] = {}
    entering: dict[str, int] = {}
    gives = dict(step.gives)
    outputs = {number: stream for stream, number in step.gives.items()}
    for name, number in head.outputs.items():
        if name == CONCATENATED:
            continue
        value = last = inner.outputs[outputs[number]]
        while (node := makers.get(last)) and not isinstance(node.op, Linear) and _passes(node):
            last = node.inputs[0]
        if classes and node and isinstance(node.op, Linear) and node.op.dim == classes:
            paths[name], value = joined(HEAD, node.path), node.inputs[0]
        stream = f"entering {value}"
        if stream not in gives:
            inner.outputs[stream], gives[stream] = value, frame.add_value(inner.features[value])
        entering[name] = gives[stream]
    frame.steps = [step._replace(frames=(inner,), gives=gives)]
    return Classifiers(head._replace(frame=frame), paths, entering)


def _passes(node: Node) -> bool:
    """Whether an operator has no weights, and makes its output of one value."""
    return not node.cost.params and not node.shared and len(node.inputs) == 1
