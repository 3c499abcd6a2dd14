"""A graph opened between its blocks: each block stands apart, so that the values between them are within reach."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import HEAD, Call, Frame, Node, cost_of, joined
from vitdsl.graph.operators import Join, Take
from vitdsl.graph.origins import Origin, origin

JOIN = Join()


def copy_frame(frame: Frame) -> Frame:
    """Another frame with the same steps, which may be changed."""
    copy = Frame()
    for name in Frame.__slots__:
        value = getattr(frame, name)
        setattr(copy, name, value.copy() if isinstance(value, (list, dict, set)) else value)
    return copy


class UnrolledFrame:
    """A frame in which each repetition is a call of its own, and the values that blocks end with are visited.

    Requires: any frame. Ensures: equal outputs, the same module paths, the same numbers for the values of the old
    frame. Modified: `frame` is new; the frames of blocks are the same, but for those that `enter` changes.

    Attributes:
        frame: the new frame.
        current: for the number of each value of the old frame, the number of the value that stands for it now.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame, self._start, self._ends = copy_frame(frame), frame.start, self.ends_of(frame)
        self.frame.steps = []
        self.current = {number: number for number in range(len(frame.features))}
        for number in frame.inputs.values():
            self._visit_border(number)
        for step in frame.steps:
            if isinstance(step, Node):
                self.frame.steps.append(step._replace(inputs=tuple(self.current[number] for number in step.inputs)))
                self._visit_border(step.output)
            else:
                self._add_call(step)
        self.frame.outputs = {name: self.current[number] for name, number in frame.outputs.items()}
        self.frame.appends = {name: [self.current[n] for n in numbers] for name, numbers in frame.appends.items()}
        self.frame.marks = {name: self.current[number] for name, number in frame.marks.items()}
        self.frame.ends = {self.current[number]: path for number, path in frame.ends.items()}
        self.frame.maps = {self.current[number]: path for number, path in frame.maps.items()}

    # ------------------------------------------------------------ what is visited, and how

    def ends_of(self, frame: Frame) -> Mapping[int, str]:
        """The values that are visited beside those of calls, with the paths of their blocks."""
        return frame.ends

    def stream_of(self, call: Call) -> str | None:
        """The stream of which each repetition of a call ends with a value that is visited; None: of none."""
        return call.flows

    def visit(self, number: int, block: str | None) -> int:
        """Visits a value, and returns the number of the value to use from there on; it may add nodes to the frame.

        Args:
            number: of the value.
            block: the module path of the block that ends with it; None: the blocks begin with it.
        """
        return number

    def enter(self, path: str, call: Call, stream: str) -> Call:
        """The call of one repetition, whose frame may be replaced.

        Args:
            path: of its module.
            call: of this repetition alone.
            stream: of which it ends with a value.
        """
        return call

    def block_of(self, path: str) -> str:
        """The module path of the block that a repetition ends with, which was entered last."""
        return path

    # ------------------------------------------------------------ steps

    def _visit_border(self, number: int) -> None:
        """Visits a value of the old frame, if blocks begin or end with it."""
        if number == self._start or number in self._ends:
            block = None if number == self._start else self._ends[number]
            self.current[number] = self.visit(self.current[number], block)

    def _add_call(self, step: Call) -> None:
        stream = self.stream_of(step)
        if stream is None:
            reads = {name: self.current[number] for name, number in step.reads.items()}
            self.frame.steps.append(step._replace(reads=reads))
        else:
            self._add_repetitions(step, stream)
        for number in (*step.gives.values(), *step.appends.values()):
            self._visit_border(number)

    def _add_repetitions(self, step: Call, stream: str) -> None:
        """Adds a call for each repetition."""
        streams = {name: self.current[number] for name, number in step.reads.items()}
        appended: dict[str, list[int]] = {name: [] for name in step.appends}
        block = step.block
        for number, (path, frame) in enumerate(step.paths()):
            gives = {name: self.frame.add_value(frame.features[value]) for name, value in frame.outputs.items()}
            appends = {name: self.frame.add_value(_join(frame, values)) for name, values in frame.appends.items()}
            reads = {name: streams[name] for name in frame.inputs}
            first = step.first + number
            call = Call(step.path, (frame,), step.numbered, reads, gives, appends, block, None, first)
            self.frame.steps.append(self.enter(path, call, stream))
            block += frame.blocks
            streams.update(gives)
            if stream in gives:
                streams[stream] = self.visit(gives[stream], self.block_of(path))
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


# ---------------------------------------------------------------- maps


class BlockMap(NamedTuple):
    """A map with which a block ends.

    Attributes:
        path: module path of the block.
        grid: the number of the map in the model's frame.
        whole: the number of all of the feature, extra tokens too.
        feature: all of the feature.
    """

    path: str
    grid: int
    whole: int
    feature: Feature


def open_blocks(graph: Graph, paths: Collection[str] | None = None) -> tuple[Graph, list[BlockMap]]:
    """The graph with the maps that its blocks end with as values of its frame, and these maps, in order.

    A block that leaves the grid as it was, and works on extra tokens alone, ends with none.

    Requires: any graph. Ensures: the same outputs by the same modules. Modified: the frames of model and stages, and of
    blocks that hold blocks.

    Args:
        graph: of a model.
        paths: of the blocks whose maps are wanted; None: all.
    """
    frame = copy_frame(graph.frame)
    maps: list[BlockMap] = []
    for index, step in enumerate(frame.steps):
        if isinstance(step, Call) and step.path != HEAD:
            opened = _OpenedFrame(step.frames[0], step.path, paths)
            gives, found = opened.give(frame)
            frame.steps[index] = step._replace(frames=(opened.frame,), gives={**step.gives, **gives})
            maps += [
                BlockMap(joined(step.path, block), grid, whole, frame.features[whole])
                for block, (grid, whole) in found.items()
            ]
    frame.recount()
    made: dict[Origin, BlockMap] = {}
    for each in maps:
        made.setdefault(origin(frame, each.grid), each)
    return graph._replace(frame=frame), [*made.values()]


class _OpenedFrame(UnrolledFrame):
    """A frame that gives the maps with which its blocks end beside its outputs.

    Args:
        frame: of a stage or of a repetition.
        path: of its module.
        paths: of the blocks whose maps are wanted; None: all.

    Attributes:
        blocks: all blocks that end with a map: paths below the module, and what they end with.
    """

    def __init__(self, frame: Frame, path: str, paths: Collection[str] | None) -> None:
        self.blocks: list[tuple[str, Feature]] = []
        self._path, self._paths = path, paths
        self._found: dict[str, tuple[int, int]] = {}
        self._last = ""
        super().__init__(frame)

    def ends_of(self, frame: Frame) -> Mapping[int, str]:
        """Those of all blocks."""
        return frame.maps

    def stream_of(self, call: Call) -> str | None:
        """Also that of blocks inside of blocks."""
        return call.works_on

    def visit(self, number: int, block: str | None) -> int:
        """Finds a map."""
        feature = self.frame.features[number]
        if block is None or feature.grid is None:
            return number
        self.blocks.append((block, feature))
        if self._paths is not None and joined(self._path, block) not in self._paths:
            return number
        grid, extra = number, len(feature.tokens)
        if extra:
            take = Take.trusted(start=extra, stop=feature.num_tokens, feature=feature.grid_only)
            grid = self.frame.add_value(feature.grid_only)
            self.frame.steps.append(Node("", take, (number,), grid, cost_of(take, [feature], feature.grid_only)))
        self._found[block] = grid, number
        return number

    def enter(self, path: str, call: Call, stream: str) -> Call:
        """A repetition that holds several blocks is opened too, and is no module with a forward any more.

        It ends with the last of them, and with what there is behind.
        """
        self._last = path
        (frame,) = call.frames
        opened = _OpenedFrame(frame, joined(self._path, path), self._paths)
        if opened.blocks and stream in frame.outputs:
            last, feature = opened.blocks[-1]
            if feature == frame.features[frame.outputs[stream]]:
                opened.forget(last)
                self._last = joined(path, last) if opened.blocks else path
        self.blocks += [(joined(path, block), feature) for block, feature in opened.blocks]
        if not opened.has_maps():
            return call
        gives, maps = opened.give(self.frame)
        self._found |= {joined(path, block): numbers for block, numbers in maps.items()}
        return call._replace(path=path, frames=(opened.frame,), numbered=False, gives={**call.gives, **gives}, first=0)

    def block_of(self, path: str) -> str:
        """The last block of a repetition that holds several, else the repetition."""
        return self._last

    # ------------------------------------------------------------ what is given

    def has_maps(self) -> bool:
        """Whether there is a map that is wanted."""
        return bool(self._found)

    def forget(self, block: str) -> None:
        """Leaves out the last block, which is that of the caller."""
        self.blocks.pop()
        self._found.pop(block, None)

    def give(self, caller: Frame) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
        """Makes the maps outputs of the frame.

        Args:
            caller: the frame that calls this one, which gets a value for each.

        Returns:
            The numbers of the new values by output; and by block, those of the map and of all of its feature.
        """
        gives: dict[str, int] = {}
        by_number: dict[int, int] = {}
        for number in dict.fromkeys(number for numbers in self._found.values() for number in numbers):
            name = f"output {len(gives)}"
            self.frame.outputs[name] = number
            by_number[number] = gives[name] = caller.add_value(self.frame.features[number])
        self.frame.recount()
        return gives, {block: (by_number[grid], by_number[whole]) for block, (grid, whole) in self._found.items()}
