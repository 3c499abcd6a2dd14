"""Repetitions that are equal, or that alternate; how often they drop their branches does not count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vitdsl.graph.ir import Frame
from vitdsl.graph.printing import Printer

LONGEST = 8
"""At most so many different frames alternate."""


class Run(NamedTuple):
    """Frames that are run one after another, several times.

    Attributes:
        first: the number of the first one, counted in its call.
        frames: those that differ, in order.
        times: how often they are run.
    """

    first: int
    frames: tuple[Frame, ...]
    times: int

    def numbers(self, index: int, start: int) -> list[int]:
        """The numbers of the repetitions with one of the frames, the call's first one being `start`."""
        return [start + self.first + index + turn * len(self.frames) for turn in range(self.times)]


def runs(frames: Sequence[Frame]) -> Iterator[Run]:
    """Cuts repetitions into runs, each as long as can be; of equally long ones that with fewer frames."""
    known: dict[int, str] = {}
    texts = [known.get(id(frame)) or known.setdefault(id(frame), _text(frame)) for frame in frames]
    start = 0
    while start < len(frames):
        length = times = 1
        for longer in range(1, min(LONGEST, len(frames) - start) + 1):
            found = _times(texts, start, longer)
            if found > 1 and found * longer > times * length:
                length, times = longer, found
        yield Run(start, tuple(frames[start : start + length]), times)
        start += times * length


def _times(texts: Sequence[str], start: int, length: int) -> int:
    """How often what is at `start` is repeated."""
    times = 1
    pattern = texts[start : start + length]
    while texts[start + times * length : start + (times + 1) * length] == pattern:
        times += 1
    return times


def _text(frame: Frame) -> str:
    """What a frame does, without the paths around it."""
    printer = Printer()
    values = {number: printer.defined() for number in frame.inputs.values()}
    lines = [f"{name} {values[number]} {frame.features[number]}" for name, number in frame.inputs.items()]
    lines += printer.steps(frame, values, "")
    given = [*frame.outputs.items(), *((name, number) for name, found in frame.appends.items() for number in found)]
    return "\n".join([*lines, *(f"{name} {values.get(number)}" for name, number in given)])
