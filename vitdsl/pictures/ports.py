"""Where on the side of a box values enter and leave it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vitdsl.pictures.boxes import BORDER, Body, End
from vitdsl.pictures.grid import Grid

ASIDE = 0.25
"""How far from the middle of a sign a value enters it that comes from another column."""


class Sides(NamedTuple):
    """Places of values on the sides of boxes, where they enter and leave: from -0.5 at the left to 0.5 at the right."""

    enters: dict[End, float]
    leaves: dict[End, float]


def sides_of(body: Body, grid: Grid, inner: Sequence[Grid | None]) -> Sides:
    """The places of all ends at boxes, evenly spaced.

    They are in the order of what an open box holds, and else in that of the columns that the values come from.

    Args:
        body: the boxes.
        grid: their places.
        inner: the grid of what each box holds, if it is open.
    """
    enters: dict[End, float] = {}
    leaves: dict[End, float] = {}
    columns = _columns(body, grid)
    for number, box in enumerate(body.boxes):
        inside = inner[number]
        ends = [End(number, port) for port in range(len(box.inputs))]
        if box.kind == "sign":
            own = grid.columns[number]
            enters |= {end: ASIDE * ((columns[end] > own) - (columns[end] < own)) for end in ends}
        else:
            enters |= _even(sorted(ends, key=lambda end: inside.entries[end.port] if inside else columns[end]))
        given = [End(number, port) for port in range(len(box.outputs))]
        leaves |= _even(sorted(given, key=lambda end: inside.exits[end.port] if inside else end.port))
    return Sides(enters, leaves)


def _even(ends: Sequence[End]) -> dict[End, float]:
    return {end: (place + 0.5) / len(ends) - 0.5 for place, end in enumerate(ends)}


def _columns(body: Body, grid: Grid) -> dict[End, int]:
    """The column from which a value comes to each end."""
    found = {}
    for net, lane in zip(body.nets, grid.lanes, strict=True):
        for target in net.targets:
            far = target.box != BORDER and grid.row(target, False) > grid.row(net.source, True) + 1
            found[target] = lane.column if lane and far else grid.column(net.source, True)
    return found
