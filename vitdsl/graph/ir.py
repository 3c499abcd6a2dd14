"""The data of a graph: values, nodes, calls, frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from vitdsl.features import BYTES_PER_VALUE, Cost, Feature
from vitdsl.memo import Table
from vitdsl.parts.base import Primitive

HEAD = "head"
"""Module path of the head."""
CONCATENATED = "all outputs"
"""The output of a head that has the channels of all others; no output of a file can have this name."""
HERE = ""
"""Name of the current value of a body that works on a value of its own."""


class Value:
    """A value of a frame under construction: its number and its feature."""

    __slots__ = ("feature", "index")

    def __init__(self, index: int, feature: Feature) -> None:
        self.index, self.feature = index, feature


class DropPoint(NamedTuple):
    """A point on the schedule of stochastic depth.

    Attributes:
        block: number of the block, counted in the frame.
        rate: a fixed rate, instead of the schedule's; or None.
        at: a fixed point between 0 and 1, instead of the block's; or None.
    """

    block: int = 0
    rate: float | None = None
    at: float | None = None


class Node(NamedTuple):
    """One operator.

    Attributes:
        path: the module path, relative to the frame.
        op: the primitive, bound.
        inputs: numbers of its operands.
        output: number of its result.
        cost: of the operator, for all windows.
        shared: whether it uses the module of an earlier node with this path.
        times: the number of windows that it runs in.
        drop_point: of a node of stochastic depth, else None.
        role: of the outermost item that holds it; `embed` at the beginning of a stage, `head` in the head.
    """

    path: str
    op: Primitive
    inputs: tuple[int, ...]
    output: int
    cost: Cost
    shared: bool = False
    times: int = 1
    drop_point: DropPoint | None = None
    role: str = ""


class Call(NamedTuple):
    """A call of frames, one after another: the repetitions of an item, or one frame of a stage or head.

    Attributes:
        path: the module path, relative to the calling frame.
        frames: the frame of each repetition; equal repetitions are one object.
        numbered: whether repetition i has the path `path.(first + i)`; else there is one frame, at `path`.
        reads: the operands: numbers of values, by stream.
        gives: the results: numbers of values after the last repetition, by stream.
        appends: numbers of the values that hold what all repetitions append, by stream.
        block: the number of blocks of the calling frame before the first repetition.
        flows: the stream that the repetitions work on, if each is a block; None if it is a part of a block.
        first: the number of the first repetition.
        works_on: the stream that each repetition ends with a value of, also inside of a block or of a branch; None
            where what they make is only added to something.
    """

    path: str
    frames: tuple[Frame, ...]
    numbered: bool
    reads: dict[str, int]
    gives: dict[str, int]
    appends: dict[str, int]
    block: int
    flows: str | None = None
    first: int = 0
    works_on: str | None = None

    def paths(self) -> Iterator[tuple[str, Frame]]:
        """The module path of each repetition, and its frame."""
        for number, frame in enumerate(self.frames):
            yield (f"{self.path}.{self.first + number}" if self.numbered else self.path), frame

    def below(self, prefix: str = "") -> Iterator[tuple[str, Frame]]:
        """Each frame that the call runs, at any depth, with its module path; of equal repetitions only the first."""
        done: set[int] = set()
        for path, frame in self.paths():
            if id(frame) not in done:
                done.add(id(frame))
                yield from frame.below(joined(prefix, path))


class Frame:
    """One elaborated body.

    Attributes:
        features: the feature of each value, by number.
        steps: nodes and calls, in order.
        inputs: numbers of the values that it reads, by stream.
        outputs: numbers of its results, by stream.
        appends: numbers of the values that it appends, by stream.
        blocks: the number of its blocks on the schedule of stochastic depth.
        drops: the number of its operators of stochastic depth, with those of its calls.
        idle: module paths of items with a rate of stochastic depth that has no effect.
        start: number of the value that enters the blocks of a stage, or the pool and classifier of a head.
        ends: numbers of the values that blocks end with, except for blocks that are calls, with their module paths.
        maps: the same of all blocks, also of those inside of blocks and in branches that run side by side.
        cost: of one run.
        marks: numbers of the values that a recipe may name.
        modules: the number of its modules, with itself; each repetition counts.
    """

    __slots__ = (
        "appends", "blocks", "cost", "drops", "ends", "features", "idle", "inputs", "maps", "marks", "modules",
        "outputs", "start", "steps",
    )  # fmt: skip

    def __init__(self) -> None:
        self.features: list[Feature] = []
        self.steps: list[Node | Call] = []
        self.inputs: dict[str, int] = {}
        self.outputs: dict[str, int] = {}
        self.appends: dict[str, list[int]] = {}
        self.blocks = self.drops = 0
        self.idle: list[str] = []
        self.start: int | None = None
        self.ends: dict[int, str] = {}
        self.maps: dict[int, str] = {}
        self.cost = Cost()
        self.marks: dict[str, int] = {}
        self.modules = 0

    def add_value(self, feature: Feature) -> int:
        """Adds a value, and returns its number."""
        self.features.append(feature)
        return len(self.features) - 1

    def counted(self) -> tuple[Cost, int, int]:
        """The cost, the number of operators of stochastic depth, and the number of modules, from the steps."""
        costs: list[Cost] = []
        drops, modules = 0, _modules_at(tuple([step.path for step in self.steps]))
        for step in self.steps:
            if isinstance(step, Node):
                costs.append(step.cost)
                drops += step.drop_point is not None
                continue
            for frame, times in _repeated(step):
                costs.append(frame.cost if times == 1 else frame.cost.times(times))
                drops += frame.drops * times
                modules += (frame.modules - (not step.numbered)) * times
        return Cost(*map(sum, zip(*costs, strict=True))), drops, modules

    def recount(self) -> None:
        """Counts cost, operators of stochastic depth and modules anew."""
        self.cost, self.drops, self.modules = self.counted()

    def below(self, prefix: str = "") -> Iterator[tuple[str, Frame]]:
        """This frame and all that it calls, at any depth, with module paths; of equal repetitions only the first."""
        yield prefix, self
        for step in self.steps:
            if isinstance(step, Call):
                yield from step.below(prefix)

    def nodes(self, prefix: str = "") -> Iterator[tuple[str, Node, Frame]]:
        """Every node of this frame and of all repetitions below: its full module path, the node, and its frame."""
        for step in self.steps:
            if isinstance(step, Node):
                yield joined(prefix, step.path), step, self
            else:
                for path, frame in step.paths():
                    yield from frame.nodes(joined(prefix, path))


def _repeated(call: Call) -> Iterable[tuple[Frame, int]]:
    """Each frame that a call runs, with the number of copies of its modules."""
    if not call.numbered:
        return ((call.frames[0], 1),)
    return Counter(call.frames).items()


_counts = Table(4096)


def _modules_at(paths: tuple[str, ...]) -> int:
    """The number of modules of a frame with steps at these paths, without those inside of its calls."""
    count = _counts.get(paths)
    if count is not None:
        return count
    above: set[str] = set()
    for path in paths:
        while path and path not in above:
            above.add(path)
            path = path.rpartition(".")[0]
    return _counts.keep(paths, 1 + len(above))


def cost_of(op: Primitive, inputs: Sequence[Feature], output: Feature, times: int = 1, shared: bool = False) -> Cost:
    """The cost of a node.

    Args:
        op: its operator.
        inputs: features of its operands.
        output: feature of its result.
        times: the number of windows that it runs in.
        shared: whether it has the weights of an earlier node.
    """
    params, trainable, macs, _ = op.cost(*inputs)
    memory = 0 if op.view else output.size * BYTES_PER_VALUE * times
    return Cost(0, 0, macs * times, memory) if shared else Cost(params, trainable, macs * times, memory)


def joined(prefix: str, path: str) -> str:
    """Two module paths, one below the other."""
    return f"{prefix}.{path}" if prefix and path else prefix or path
