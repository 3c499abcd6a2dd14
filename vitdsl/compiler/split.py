"""A model's graph cut in two before its head, and opened between its blocks: what a backbone is asked for."""

from __future__ import annotations

from typing import NamedTuple

from vitdsl.compiler.unrolled import Unrolled, copied
from vitdsl.elaborate.head import CONCATENATED
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import HEAD, Call, Frame, Node, cost_of, joined
from vitdsl.graph.operators import Take
from vitdsl.parts.primitives.linear import Linear

FEATURES = "features"
"""The name of what a head pools and classifies, where a norm of its own makes it."""


class Split(NamedTuple):
    """A graph in two.

    Attributes:
        body: all before the head, and the head's norm.
        features: by stream, the numbers in both of the values that the head starts from.
        head: what follows; its `training` may name streams that are made before it.
    """

    body: Graph
    features: dict[str, int]
    head: Graph


def split(graph: Graph) -> Split:
    """The graph before and behind what its head pools.

    Requires: a graph whose last step is the call of its head. Ensures: the one's features entering the other give the
    model's outputs. Modified: both have frames of their own, in which the values of the old one keep their numbers.
    """
    body, head = copied(graph.frame), copied(graph.frame)
    step = body.steps.pop()
    assert isinstance(step, Call) and step.path == HEAD
    inner = step.frames[0]
    index = next((i + 1 for i, s in enumerate(inner.steps) if isinstance(s, Node) and s.output == inner.start), 0)
    before, after = copied(inner), copied(inner)
    before.steps, after.steps = inner.steps[:index], inner.steps[index:]
    names = {number: name for name, number in inner.inputs.items()}
    after.inputs, features = {}, {}
    before.outputs, before.appends, gives = {}, {}, {}
    for number in _entering(after):
        name = names.get(number, FEATURES)
        after.inputs[name] = number
        if number in names:
            features[name] = step.reads[name]
        else:
            body.features.append(inner.features[number])
            before.outputs[name] = number
            features[name] = gives[name] = len(body.features) - 1
    if gives:
        body.steps.append(step._replace(frames=(before,), gives=gives, appends={}))
    head.features, head.inputs, head.outputs = body.features, dict(features), step.gives
    head.steps = [step._replace(frames=(after,), reads=dict(features))]
    body.outputs = {name: number for name, number in body.outputs.items() if number not in step.gives.values()}
    for made in (before, after, body, head):
        made.recount()
    before_head = graph._replace(frame=body, outputs={}, evaluation={}, training=None)
    return Split(before_head, features, graph._replace(frame=head))


def _entering(frame: Frame) -> list[int]:
    """The numbers of the values that the steps and outputs of a frame need and do not make, in order."""
    needed: dict[int, None] = {}
    made: set[int] = set()
    for step in frame.steps:
        read = step.inputs if isinstance(step, Node) else step.reads.values()
        needed.update(dict.fromkeys(number for number in read if number not in made))
        made.update([step.output] if isinstance(step, Node) else [*step.gives.values(), *step.appends.values()])
    ends = [*frame.outputs.values(), *(number for numbers in frame.appends.values() for number in numbers)]
    needed.update(dict.fromkeys(number for number in ends if number not in made))
    return list(needed)


class Classifiers(NamedTuple):
    """The classifiers of a head.

    Attributes:
        head: the head's graph, which gives what enters them too.
        paths: module paths, by output.
        entering: numbers of what enters them, by output; of an output without one, the output.
    """

    head: Graph
    paths: dict[str, str]
    entering: dict[str, int]


def classifiers(head: Graph, classes: int) -> Classifiers:
    """The linear map to the classes that is the last with weights before each output of a head.

    Args:
        head: of `split`.
        classes: their number; with 0 there is no classifier.
    """
    frame = copied(head.frame)
    (step,) = frame.steps
    assert isinstance(step, Call)
    inner = copied(step.frames[0])
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
            frame.features.append(inner.features[value])
            inner.outputs[stream], gives[stream] = value, len(frame.features) - 1
        entering[name] = gives[stream]
    frame.steps = [step._replace(frames=(inner,), gives=gives)]
    return Classifiers(head._replace(frame=frame), paths, entering)


def _passes(node: Node) -> bool:
    """Whether an operator has no weights, and makes its output of one value."""
    return not node.cost.params and not node.shared and len(node.inputs) == 1


class Point(NamedTuple):
    """A map with which a block ends.

    Attributes:
        path: module path of the block.
        grid: the number of the map in the model's frame.
        whole: the number of all of the feature, extra tokens too.
        feature: the map's.
    """

    path: str
    grid: int
    whole: int
    feature: Feature


def opened(graph: Graph) -> tuple[Graph, list[Point]]:
    """The graph with the values that blocks end with as values of its frame, and these where they have a grid.

    Requires: any graph. Ensures: the same outputs by the same modules. Modified: the frames of model and stages.
    """
    frame = copied(graph.frame)
    points: list[Point] = []
    for index, step in enumerate(frame.steps):
        if isinstance(step, Call) and step.path != HEAD:
            stage = _Opened(step, frame)
            frame.steps[index] = stage.step
            points += stage.points
    frame.recount()
    return graph._replace(frame=frame), points


class _Opened:
    """A stage that gives what its blocks end with.

    Attributes:
        step: its call.
        points: the values.
    """

    def __init__(self, step: Call, frame: Frame) -> None:
        self._path, self._frame = step.path, frame
        self._gives = dict(step.gives)
        self._outputs: dict[str, int] = {}
        self.points: list[Point] = []
        made = Unrolled(step.frames[0], self._see).made
        made.outputs |= self._outputs
        self.step = step._replace(frames=(made,), gives=self._gives)

    def _see(self, stage: Unrolled, number: int, block: str | None) -> int:
        feature = stage.made.features[number]
        if block is None or feature.grid is None:
            return number
        grid, extra = number, len(feature.tokens)
        if extra:
            take = Take.trusted(start=extra, stop=feature.num_tokens, feature=feature.grid_only)
            grid = stage.value(feature.grid_only)
            stage.made.steps.append(Node("", take, (number,), grid, cost_of(take, [feature], feature.grid_only)))
        shown, whole = self._shown(stage, grid), self._shown(stage, number)
        self.points.append(Point(joined(self._path, block), shown, whole, feature.grid_only))
        return number

    def _shown(self, stage: Unrolled, number: int) -> int:
        """The number in the model's frame of a value of the stage."""
        self._frame.features.append(stage.made.features[number])
        name = f"shown {len(self._outputs)}"
        self._outputs[name], self._gives[name] = number, len(self._frame.features) - 1
        return self._gives[name]
