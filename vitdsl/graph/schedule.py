"""Rates of stochastic depth: which block drops how often."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, takewhile
from typing import Any, NamedTuple

from vitdsl.graph.ir import HEAD, Call, Frame, Node, Place, joined


class Schedule:
    """What the file's `drop_path` makes of the number of a block.

    Args:
        setting: the file's `drop_path`, or None.
        starts: number of the first block of each stage, and at the end the number of all. The blocks of a head belong
            to the last stage.
    """

    def __init__(self, setting: Any, starts: list[int]) -> None:
        self.setting, self.starts = setting, starts

    def rate(self, place: Place, block: int) -> float:
        """The rate at a place.

        Args:
            place: where an operator stands in its frame.
            block: number of the frame's first block.
        """
        if place.rate is not None:
            return place.rate
        if self.setting is None:
            return 0.0
        if place.at is not None:
            return self._peak(len(self.starts) - 2) * place.at
        number = block + max(place.block, 0)
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


class Drop(NamedTuple):
    """One operator of stochastic depth.

    Attributes:
        path: its module path.
        block: number of its block; None: its rate is fixed.
        rate: how often it drops.
    """

    path: str
    block: int | None
    rate: float

    @property
    def key(self) -> Any:
        """The same for those of one block; where rates are fixed, for those of one body."""
        return (self.path.split(".")[:-2], self.rate) if self.block is None else self.block


class BlockRate(NamedTuple):
    """A block that drops: the path that its operators have in common, and its rate."""

    path: str
    rate: float


def drops(frame: Frame, setting: Any) -> Iterator[Drop]:
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


def _drops(frame: Frame, prefix: str, block: int, schedule: Schedule) -> Iterator[Drop]:
    for step in frame.steps:
        if isinstance(step, Node):
            if step.place is not None:
                fixed = step.place.rate is not None or step.place.at is not None
                number = None if fixed else block + max(step.place.block, 0)
                yield Drop(joined(prefix, step.path), number, schedule.rate(step.place, block))
            continue
        first = block + max(step.block, 0)
        for path, inner in step.paths():
            yield from _drops(inner, joined(prefix, path), first, schedule)
            first += inner.blocks if step.block >= 0 else 0


def block_rates(frame: Frame, setting: Any) -> list[BlockRate]:
    """The rate of every block that drops, in order."""
    found = []
    for _, group in groupby(drops(frame, setting), key=lambda drop: drop.key):
        each = list(group)
        segments = zip(*(drop.path.split(".")[:-1] for drop in each), strict=False)
        common = takewhile(lambda found: len(set(found)) == 1, segments)
        found.append(BlockRate(".".join(segment for segment, *_ in common), each[0].rate))
    return found
