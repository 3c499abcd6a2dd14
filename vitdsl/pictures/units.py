"""Boxes with the values that they read and give, by number, and bodies made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vitdsl.features import Feature
from vitdsl.graph.ir import Frame
from vitdsl.pictures.boxes import BORDER, Body, Box, End, Net, Port


@dataclass(slots=True)
class Unit:
    """A box with the numbers of the values that it reads and gives."""

    box: Box
    reads: list[int]
    gives: list[int]


class Values:
    """The values of a frame: their features, and for values that pass by what stands for them."""

    def __init__(self, frame: Frame) -> None:
        self.features = dict(enumerate(frame.features))
        self._same: dict[int, int] = {}

    def new(self, feature: Feature) -> int:
        """A further value."""
        number = len(self.features)
        self.features[number] = feature
        return number

    def pass_on(self, number: int, source: int) -> None:
        """A value is another one, to the eye."""
        self._same[number] = self.of(source)

    def of(self, number: int) -> int:
        """The value that stands for a value."""
        return self._same.get(number, number)


def assembled(
    units: Sequence[Unit], entries: Sequence[tuple[str, int]], exits: Sequence[tuple[str, int]], values: Values
) -> Body:
    """A body of boxes, with the edges between them."""
    sources = {number: End(BORDER, port) for port, (_, number) in enumerate(entries)}
    targets: dict[int, list[End]] = {}
    for index, unit in enumerate(units):
        for port, number in enumerate(unit.reads):
            targets.setdefault(number, []).append(End(index, port))
        for port, number in enumerate(unit.gives):
            sources[number] = End(index, port)
    for port, (_, number) in enumerate(exits):
        targets.setdefault(values.of(number), []).append(End(BORDER, port))
    nets = [Net(sources[number], tuple(ends)) for number, ends in targets.items()]
    ports = [[Port(name, values.features[number]) for name, number in side] for side in (entries, exits)]
    return Body([unit.box for unit in units], nets, *ports)
