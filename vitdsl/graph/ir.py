"""What a graph is made of: values, nodes, calls, frames."""

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
    """A value of a frame under construction: its number and what it is."""

    __slots__ = ("feature", "index")

    def __init__(self, index: int, feature: Feature) -> None:
        self.index, self.feature = index, feature


class Place(NamedTuple):
    """Where on the schedule of stochastic depth a node stands.

    `block` counts the blocks of the frame before it; `rate` and `at` fix it.
    """

    block: int = 0
    rate: float | None = None
    at: float | None = None


class Node(NamedTuple):
    """One operator: where its module is, what it reads, and what comes out.

    Attributes:
        path: the module path, relative to the frame.
        op: the primitive, bound.
        inputs: numbers of the values that it reads.
        output: number of the value that it gives.
        shared: the module is that of an earlier node of this path.
        times: how many windows it runs in.
        place: of a node of stochastic depth.
        role: of the outermost item that it is written for; `embed` where a stage begins, `head` in the head.
    """

    path: str
    op: Primitive
    inputs: tuple[int, ...]
    output: int
    cost: Cost
    shared: bool = False
    times: int = 1
    place: Place | None = None
    role: str = ""


class Call(NamedTuple):
    """A frame run once or several times, one after another.

    Attributes:
        path: the module path, relative to the frame that calls; repetition i is at `path.(first + i)` where `numbered`.
        frames: the frame of each repetition; equal repetitions are one object.
        reads: values by stream that the first repetition reads.
        gives: values by stream after the last repetition.
        appends: values that all repetitions append, by stream.
        block: blocks of the calling frame before the first repetition.
        flows: the stream that each repetition works on, where each is a block; None where it is a part of one.
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

    def paths(self) -> Iterator[tuple[str, Frame]]:
        """The module path of each repetition, and its frame."""
        for number, frame in enumerate(self.frames):
            yield (f"{self.path}.{self.first + number}" if self.numbered else self.path), frame

    def below(self, prefix: str = "") -> Iterator[tuple[str, Frame]]:
        """The module path of each frame that is run, at any depth, and the frame; of equal repetitions the first."""
        done: set[int] = set()
        for path, frame in self.paths():
            if id(frame) not in done:
                done.add(id(frame))
                yield from frame.below(joined(prefix, path))


class Frame:
    """One analysed body.

    Attributes:
        features: what each value is, by number.
        steps: nodes and calls, in order.
        inputs: number of the value of each stream that the body reads.
        outputs: number of the value of each stream that it gives back.
        appends: numbers of the values that it appends, by stream.
        blocks: how many blocks of stochastic depth it holds.
        drops: how many operators of stochastic depth it holds, in its calls too.
        idle: module paths of what was given a rate of stochastic depth, and holds nothing that drops.
        start: number of the value that the blocks of a stage begin with, or that a head pools and classifies.
        ends: numbers of the values that its blocks end with, but for those that are calls.
        cost: of all of it, once.
        marks: values that a recipe may name.
        modules: how many modules it becomes, itself one of them, each repetition apart.
    """

    __slots__ = (
        "appends", "blocks", "cost", "drops", "ends", "features", "idle", "inputs", "marks", "modules", "outputs",
        "start", "steps",
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
        self.ends: list[int] = []
        self.cost = Cost()
        self.marks: dict[str, int] = {}
        self.modules = 0

    def counted(self) -> tuple[Cost, int, int]:
        """What its steps cost, how many of their operators drop, and how many modules it becomes."""
        costs: list[Cost] = []
        drops, modules = 0, _modules_at(tuple([step.path for step in self.steps]))
        for step in self.steps:
            if isinstance(step, Node):
                costs.append(step.cost)
                drops += step.place is not None
                continue
            for frame, times in _repeated(step):
                costs.append(frame.cost if times == 1 else frame.cost.times(times))
                drops += frame.drops * times
                modules += (frame.modules - (not step.numbered)) * times
        return Cost(*map(sum, zip(*costs, strict=True))), drops, modules

    def recount(self) -> None:
        """Counts what the steps hold, once they are written."""
        self.cost, self.drops, self.modules = self.counted()

    def below(self, prefix: str = "") -> Iterator[tuple[str, Frame]]:
        """This frame and those that it calls, at any depth, with their module paths; of equal repetitions the first."""
        yield prefix, self
        for step in self.steps:
            if isinstance(step, Call):
                yield from step.below(prefix)

    def nodes(self, prefix: str = "") -> Iterator[tuple[str, Node, Frame]]:
        """Every node below this frame, each repetition apart: its full module path, itself, the frame it is in."""
        for step in self.steps:
            if isinstance(step, Node):
                yield joined(prefix, step.path), step, self
            else:
                for path, frame in step.paths():
                    yield from frame.nodes(joined(prefix, path))


def _repeated(call: Call) -> Iterable[tuple[Frame, int]]:
    """Each frame that a call runs, and how often its modules are there."""
    if not call.numbered:
        return ((call.frames[0], 1),)
    return Counter(call.frames).items()


_counts = Table(4096)


def _modules_at(paths: tuple[str, ...]) -> int:
    """How many modules a frame with modules at these paths has without what they hold: itself and those above them."""
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
    """What a node costs.

    Args:
        op: its operator.
        inputs: the features that it reads.
        output: the feature that it gives.
        times: how many windows it runs in.
        shared: whether its weights are those of an earlier node.
    """
    params, trainable, macs, _ = op.cost(*inputs)
    memory = 0 if op.view else output.size * BYTES_PER_VALUE * times
    return Cost(0, 0, macs * times, memory) if shared else Cost(params, trainable, macs * times, memory)


def joined(prefix: str, path: str) -> str:
    """Two module paths, one below the other."""
    return f"{prefix}.{path}" if prefix and path else prefix or path
