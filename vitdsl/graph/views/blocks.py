"""A graph opened between its blocks: each block stands apart, so that the values between them are within reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import HEAD, Call, Frame, Node, cost_of, joined
from vitdsl.graph.operators import Join, Take

JOIN = Join()
Visit = Callable[["UnrolledStage", int, str | None], int]
"""Called with a stage, the number of a value, and the module path of the block that ends with the value.

It is called for the value that the blocks begin with, where the path is None, and for the output of each block. It may
add nodes to the stage. It returns the number of the value to use from there on.
"""


def copy_frame(frame: Frame) -> Frame:
    """Another frame with the same steps, which may be changed."""
    copy = Frame()
    for name in Frame.__slots__:
        value = getattr(frame, name)
        setattr(copy, name, value.copy() if isinstance(value, (list, dict, set)) else value)
    return copy


class UnrolledStage:
    """A stage in which each repetition is a call of its own, and the values between blocks are visited.

    Requires: the frame of a stage. Ensures: equal outputs, the same module paths, the same numbers for the values of
    the old frame. Modified: `frame` is new; the frames of blocks are the same.

    Attributes:
        frame: the new frame.
        current: for the number of each value of the old frame, the number of the value that stands for it now.
    """

    def __init__(self, stage: Frame, visit: Visit) -> None:
        self.frame, self._visit = copy_frame(stage), visit
        self.frame.steps = []
        self.current = {number: number for number in range(len(stage.features))}
        self._start, self._ends = stage.start, {number for number in stage.ends if number != stage.start}
        for number in stage.inputs.values():
            self._visit_border(number, "")
        for step in stage.steps:
            if isinstance(step, Node):
                self.frame.steps.append(step._replace(inputs=tuple(self.current[number] for number in step.inputs)))
                self._visit_border(step.output, step.path)
            else:
                self._add_call(step)
        self.frame.outputs = {name: self.current[number] for name, number in stage.outputs.items()}
        self.frame.appends = {name: [self.current[n] for n in numbers] for name, numbers in stage.appends.items()}
        self.frame.marks = {name: self.current[number] for name, number in stage.marks.items()}
        self.frame.recount()

    def add_value(self, feature: Feature) -> int:
        """Adds a value, and returns its number."""
        self.frame.features.append(feature)
        return len(self.frame.features) - 1

    def _visit_border(self, number: int, path: str) -> None:
        """Visits a value of the old frame, if blocks begin or end with it."""
        if number == self._start or number in self._ends:
            block = None if number == self._start else path
            self.current[number] = self._visit(self, self.current[number], block)

    def _add_call(self, step: Call) -> None:
        if step.flows is None:
            reads = {name: self.current[number] for name, number in step.reads.items()}
            self.frame.steps.append(step._replace(reads=reads))
        else:
            self._add_repetitions(step, step.flows)
        for number in (*step.gives.values(), *step.appends.values()):
            self._visit_border(number, step.path)

    def _add_repetitions(self, step: Call, flows: str) -> None:
        """Adds a call for each repetition."""
        streams = {name: self.current[number] for name, number in step.reads.items()}
        appended: dict[str, list[int]] = {name: [] for name in step.appends}
        block = step.block
        for number, (path, frame) in enumerate(step.paths()):
            gives = {name: self.add_value(frame.features[value]) for name, value in frame.outputs.items()}
            appends = {name: self.add_value(_join(frame, values)) for name, values in frame.appends.items()}
            reads = {name: streams[name] for name in frame.inputs}
            first = step.first + number
            self.frame.steps.append(Call(step.path, (frame,), step.numbered, reads, gives, appends, block, None, first))
            block += frame.blocks
            streams.update(gives)
            if flows in gives:
                streams[flows] = self._visit(self, gives[flows], path)
            for name, value in appends.items():
                appended[name].append(value)
        for name, value in step.gives.items():
            self.current[value] = streams[name]
        for name, values in appended.items():
            features = [self.frame.features[value] for value in values]
            cost = cost_of(JOIN, features, JOIN.infer(*features))
            self.frame.steps.append(Node("", JOIN, tuple(values), step.appends[name], cost))


def _join(frame: Frame, numbers: list[int]) -> Feature:
    """The feature with the tokens of several values."""
    features = [frame.features[number] for number in numbers]
    return Feature(features[0].dim, count=sum(feature.num_tokens for feature in features))


class BlockMap(NamedTuple):
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


def open_blocks(graph: Graph) -> tuple[Graph, list[BlockMap]]:
    """The graph with the outputs of its blocks as values of its frame, and those of them that have a grid.

    Requires: any graph. Ensures: the same outputs by the same modules. Modified: the frames of model and stages.
    """
    frame = copy_frame(graph.frame)
    maps: list[BlockMap] = []
    for index, step in enumerate(frame.steps):
        if isinstance(step, Call) and step.path != HEAD:
            stage = _OpenStage(step, frame)
            frame.steps[index] = stage.call
            maps += stage.maps
    frame.recount()
    return graph._replace(frame=frame), maps


class _OpenStage:
    """A stage that gives the maps with which its blocks end to the frame of the model.

    Attributes:
        call: its call.
        maps: these maps, in order.
    """

    def __init__(self, call: Call, frame: Frame) -> None:
        self._path, self._frame = call.path, frame
        self._gives = dict(call.gives)
        self._outputs: dict[str, int] = {}
        self.maps: list[BlockMap] = []
        stage = UnrolledStage(call.frames[0], self._give_map).frame
        stage.outputs |= self._outputs
        self.call = call._replace(frames=(stage,), gives=self._gives)

    def _give_map(self, stage: UnrolledStage, number: int, block: str | None) -> int:
        feature = stage.frame.features[number]
        if block is None or feature.grid is None:
            return number
        grid, extra = number, len(feature.tokens)
        if extra:
            take = Take.trusted(start=extra, stop=feature.num_tokens, feature=feature.grid_only)
            grid = stage.add_value(feature.grid_only)
            stage.frame.steps.append(Node("", take, (number,), grid, cost_of(take, [feature], feature.grid_only)))
        numbers = self._give(stage, grid), self._give(stage, number)
        self.maps.append(BlockMap(joined(self._path, block), *numbers, feature.grid_only))
        return number

    def _give(self, stage: UnrolledStage, number: int) -> int:
        """Gives a value of the stage to the model's frame, and returns its number there."""
        self._frame.features.append(stage.frame.features[number])
        name = f"output {len(self._outputs)}"
        self._outputs[name], self._gives[name] = number, len(self._frame.features) - 1
        return self._gives[name]
