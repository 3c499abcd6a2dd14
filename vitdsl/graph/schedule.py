"""Rates of stochastic depth, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, takewhile
from typing import Any, NamedTuple

from vitdsl.graph.ir import HEAD, Call, DropPoint, Frame, Node, joined


class Schedule:
    """The schedule of the file's `drop_path`: the rate of each block.

    Args:
        setting: the file's `drop_path`, or None.
        starts: number of the first block of each stage, then the number of all blocks. The blocks of a head belong to
            the last stage.
    """

    def __init__(self, setting: Any, starts: list[int]) -> None:
        self.setting, self.starts = setting, starts

    def rate(self, point: DropPoint) -> float:
        """The rate at a point, whose `block` is counted in the whole model."""
        if point.rate is not None:
            return point.rate
        if self.setting is None:
            return 0.0
        if point.at is not None:
            return self._peak(len(self.starts) - 2) * point.at
        number = point.block
        if self.setting.schedule == "constant":
            return self._peak(0)
        if self.setting.schedule == "per_stage":
            stage = max(i for i, first in enumerate(self.starts[:-1]) if first <= number)
            first, end = self.starts[stage : stage + 2]
            return self._ramp(number - first, end - first, self._peak(stage))
        return self._ramp(number, self.starts[-1], self._peak(0))

    def _peak(self, stage: int) -> float:
        rate = self.setting.rate
        return rate[stage] if isinstance(rate, list) else rate

    def _ramp(self, index: int, count: int, peak: float) -> float:
        steps = count if self.setting.ends == "open" else count - 1
        return peak * index / steps if steps > 0 else 0.0


class DropNode(NamedTuple):
    """One operator of stochastic depth.

    Attributes:
        path: its module path.
        point: its point on the schedule, with `block` counted in the whole model.
        rate: its drop rate.
    """

    path: str
    point: DropPoint
    rate: float

    @property
    def key(self) -> Any:
        """A key that all operators of one block share; with fixed rates, all operators of one body."""
        fixed = self.point.rate is not None or self.point.at is not None
        return (self.path.split(".")[:-2], self.point) if fixed else self.point.block


class BlockRate(NamedTuple):
    """A block that drops: the common path of its operators, and its rate."""

    path: str
    rate: float


def drops(frame: Frame, setting: Any) -> Iterator[DropNode]:
    """Every operator of stochastic depth of a model, in order.

    Args:
        frame: the model's.
        setting: the file's `drop_path`, or None.
    """
    starts = [0]
    for step in frame.steps:
        if isinstance(step, Call):
            blocks = sum(inner.blocks for inner in step.frames)
            if step.path == HEAD:
                starts[-1] += blocks
            else:
                starts.append(starts[-1] + blocks)
    yield from _drops(frame, "", 0, Schedule(setting, starts))


def _drops(frame: Frame, prefix: str, block: int, schedule: Schedule) -> Iterator[DropNode]:
    for step in frame.steps:
        if isinstance(step, Node):
            if step.drop_point is not None:
                point = step.drop_point._replace(block=block + step.drop_point.block)
                yield DropNode(joined(prefix, step.path), point, schedule.rate(point))
            continue
        first = block + step.block
        for path, inner in step.paths():
            yield from _drops(inner, joined(prefix, path), first, schedule)
            first += inner.blocks


def block_rates(frame: Frame, setting: Any) -> list[BlockRate]:
    """The rate of every block that drops, in order."""
    found = []
    for _, group in groupby(drops(frame, setting), key=lambda drop: drop.key):
        each = list(group)
        segments = zip(*(drop.path.split(".")[:-1] for drop in each), strict=False)
        common = takewhile(lambda found: len(set(found)) == 1, segments)
        found.append(BlockRate(".".join(segment for segment, *_ in common), each[0].rate))
    return found


def idle(frame: Frame) -> Iterator[str]:
    """Module paths of items with a rate that has no effect; of equal repetitions only the first."""
    for prefix, inner in frame.below():
        yield from (joined(prefix, path) for path in inner.idle)


def unused(frame: Frame, setting: Any) -> Iterator[str]:
    """A sentence for each rate that has no effect."""
    found = list(drops(frame, setting))
    rates = [] if setting is None else setting.rate if isinstance(setting.rate, list) else [setting.rate]
    stages = [step.path for step in frame.steps if isinstance(step, Call)]
    for number, rate in enumerate(rates):
        where, below = (f" in {stages[number]}", f"{stages[number]}.") if len(rates) > 1 else ("", "")
        inside = [drop for drop in found if drop.point.rate is None and drop.path.startswith(below)]
        if rate and not any(drop.rate for drop in inside):
            why = "its only block is the first, whose rate is 0" if inside else "no item adds to what enters it"
            yield f"`drop_path` gives the rate {rate:g}, but nothing drops{where}: {why}"
    if setting is None and any(drop.point.at for drop in found):
        yield "`drop_path: {at: …}` is a place on the schedule of the file's `drop_path`, but the file gives none"
    for path in idle(frame):
        yield f"{path} gives `drop_path` a rate, but nothing drops: no item in it adds to what enters it"
