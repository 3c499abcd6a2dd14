"""Boxes with places in pixels, and the lines between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from vitdsl.pictures.boxes import BORDER, Body, Box, End, Net
from vitdsl.pictures.grid import Grid, arrange
from vitdsl.pictures.labels import port_names, shapes_of
from vitdsl.pictures.ports import sides_of
from vitdsl.pictures.text import SMALL, width

PAD, LINE, HEADER, LABEL = 10.0, 17.0, 26.0, 18.0
"""Space around texts, the height of a further line, of a first one, and of a shape beside an edge."""
BESIDE, LANE = 16.0, 7.0
"""Space between columns, and beside a lane."""
STRAIGHT, BENT = 16.0, 30.0
"""Space between rows, where all edges go straight on, and where some bend."""
SIGN = 24.0
"""Height of a sign, and its least width."""
SHADOW = 3.0
"""How far what is behind a closed box sticks out."""

Knot = tuple[float, float]
"""A place on a line: across the flow, and along it."""


class Label(NamedTuple):
    """A text with its middle: `x`, and `y` of the line's centre."""

    text: str
    x: float
    y: float
    size: float = SMALL


@dataclass(slots=True)
class Placed:
    """A box with its place.

    Attributes:
        box: what it shows.
        x: of the left side.
        y: of the upper side.
        width: in pixels.
        height: in pixels.
        lines: the texts in it, from top to bottom; of an open box those of its header.
        inner: the boxes in it; empty if it is closed.
        edges: lines between these, in the picture's x and y; whether each ends at a box.
        labels: the shapes beside these lines, and names of what enters and leaves.
    """

    box: Box
    x: float
    y: float
    width: float
    height: float
    lines: list[str]
    is_open: bool = False
    inner: list[Placed] = field(default_factory=list)
    edges: list[tuple[list[Knot], bool]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def below(self) -> list[Placed]:
        """The box and all that are shown in it."""
        return [self, *(each for box in self.inner for each in box.below())]


class Look(NamedTuple):
    """What a picture shows of a box.

    Attributes:
        is_open: whether what it holds is shown.
        lines: the texts in it.
    """

    is_open: Callable[[Box], bool]
    lines: Callable[[Box], list[str]]


def place(root: Box, look: Look, left: float = 0, top: float = 0) -> Placed:
    """Places a model: its stages from left to right, and what they hold from top to bottom."""
    assert root.body is not None
    plan = _Plan(root.body, look, right=True)
    model = Placed(root, left, top, *plan.size, [], is_open=True)
    plan.fill(model, left, top)
    return model


# ---------------------------------------------------------------- sizes


class _Cell(NamedTuple):
    """What stands at a place of the grid: sizes across and along the flow, without and with its labels."""

    across: float
    along: float
    whole_across: float
    whole_along: float


class _Plan:
    """The places of a body, relative to its own corner; across and along the flow."""

    def __init__(self, body: Body, look: Look, right: bool = False) -> None:
        self._body, self._right, self._look = body, right, look
        self.grid: Grid = arrange(body, spread=not right)
        self._plans = [_Plan(box.body, look) if box.body and look.is_open(box) else None for box in body.boxes]
        self._texts = [look.lines(box) for box in body.boxes]
        read = {net.source for net in body.nets}
        self._shapes = [
            shapes_of(box, {port for port in range(len(box.outputs)) if End(number, port) in read})
            for number, box in enumerate(body.boxes)
        ]
        self._names = [port_names(ports, body, right) for ports in (body.entries, body.exits)]
        self._cells = [self._cell(number) for number in range(len(body.boxes))]
        self._measure_columns()
        self._measure_rows()
        self._sides = sides_of(body, self.grid, [plan and plan.grid for plan in self._plans])
        self._middles = [self._centre(column) for column in self.grid.columns]
        if right:
            self._stack()
        self._exits = self._exit_places()

    def _exit_places(self) -> list[float]:
        """Where values leave the body, across the flow: each in its column, or near to where it comes from."""
        places = [self._centre(column) for column in self.grid.exits]
        if not self._right:
            return places
        sources = {end.port: net.source for net in self._body.nets for end in net.targets if end.box == BORDER}
        last = -LABEL
        for port in sorted(sources, key=lambda port: self._out(sources[port])):
            places[port] = last = max(self._out(sources[port]), last + LABEL)
        return places

    def _stack(self) -> None:
        """Puts boxes of one row close together, around the middle, where no value passes them by."""
        grid = self.grid
        passed = {row for lane in grid.lanes if lane for row in range(lane.first, lane.last + 1)}
        for row in set(grid.rows) - passed:
            numbers = sorted((n for n in range(len(grid.rows)) if grid.rows[n] == row), key=grid.columns.__getitem__)
            sizes = [self._cells[number].whole_across for number in numbers]
            end = (self._right_ends[-1] - sum(sizes) - BESIDE * (len(sizes) - 1)) / 2
            for number, size in zip(numbers, sizes, strict=True):
                self._middles[number] = end + size / 2
                end += size + BESIDE

    @property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        across = max([self._right_ends[-1], *(place + LABEL / 2 for place in self._exits if self._right)])
        along = self._bottoms[-1]
        return (along, across) if self._right else (across, along)

    def _turned(self, across: float, along: float) -> tuple[float, float]:
        return (along, across) if self._right else (across, along)

    def _cell(self, number: int) -> _Cell:
        wide, high = self._box_size(number)
        across, along = self._turned(wide, high)
        if not self._shapes[number]:
            return _Cell(across, along, across, along)
        texts = [width(text, SMALL) + 8 for text in self._shapes[number]]
        if self._right:
            return _Cell(across, along, max(across, LABEL * len(texts)), along + max(texts) + 8)
        return _Cell(across, along, max(across, max(texts) * len(texts)), along + LABEL)

    def _box_size(self, number: int) -> tuple[float, float]:
        box, texts, plan = self._body.boxes[number], self._texts[number], self._plans[number]
        if box.kind == "sign":
            return max(SIGN, width(texts[0], SMALL) + 12), SIGN
        sizes = [width(texts[0], bold=plan is not None), *(width(text, SMALL) for text in texts[1:])]
        wide, high = max(sizes) + 2 * PAD, HEADER + LINE * (len(texts) - 1)
        if plan is None:
            shadow = SHADOW if box.body is not None else 0
            return wide + shadow, high + 2 + shadow
        inner = plan.size
        return max(wide, inner[0] + 2 * PAD), high + inner[1] + PAD

    def _measure_columns(self) -> None:
        grid, widths = self.grid, [0.0] * self.grid.width
        narrow = [True] * self.grid.width
        for column, cell in zip(grid.columns, self._cells, strict=True):
            widths[column], narrow[column] = max(widths[column], cell.whole_across), False
        for columns, names in zip((grid.entries, grid.exits), self._names, strict=True):
            for column, text in zip(columns, names or [""] * len(columns), strict=True):
                need = LABEL if self._right else width(text, SMALL) + 8 if text else 0
                widths[column] = max(widths[column], need)
                narrow[column] = narrow[column] and not text
        self._left_ends, self._right_ends, end = [], [], 0.0
        for number, size in enumerate(widths):
            if number:
                end += LANE if narrow[number] and narrow[number - 1] else BESIDE
            self._left_ends.append(end)
            end += size
            self._right_ends.append(end)
        if narrow[-1]:
            self._right_ends[-1] += 2

    def _measure_rows(self) -> None:
        grid, heights = self.grid, [0.0] * self.grid.height
        for row, cell in zip(grid.rows, self._cells, strict=True):
            heights[row] = max(heights[row], cell.whole_along)
        for row, names in zip((0, -1), self._names, strict=True):
            if names:
                heights[row] = max(width(text, SMALL) + 8 for text in names) if self._right else LABEL
        bent = [False] * grid.height
        for number, net in enumerate(self._body.nets):
            for knots in self._columns(number, net):
                for row, (one, other) in knots:
                    bent[row] = bent[row] or one != other
        self._tops, self._bottoms, end = [], [], 0.0
        for row, size in enumerate(heights):
            self._tops.append(end)
            end += size
            self._bottoms.append(end)
            end += BENT if bent[row] else STRAIGHT

    def _columns(self, number: int, net: Net) -> list[list[tuple[int, tuple[int, int]]]]:
        """For each target of a net, the gaps that its line goes through, by the row above, and the columns around."""
        grid, lane, found = self.grid, self.grid.lanes[number], []
        first, start = grid.row(net.source, True), grid.column(net.source, True)
        for target in net.targets:
            row, column = grid.row(target, False), grid.column(target, False)
            if row == first + 1 or lane is None:
                found.append([(first, (start, column))])
            else:
                found.append([(first, (start, lane.column)), (row - 1, (lane.column, column))])
        return found

    # ------------------------------------------------------------ places

    def fill(self, into: Placed, left: float, top: float) -> None:
        """Puts boxes, lines and labels into the box that holds the body, whose corner is at (left, top)."""
        corner = self._turned(left, top)
        for number in range(len(self._body.boxes)):
            into.inner.append(self._placed(number, corner))
        for number, net in enumerate(self._body.nets):
            into.edges += [(self._points(knots, corner), end) for knots, end in self._lines(number, net)]
        into.labels += self._port_labels(corner)

    def _centre(self, column: int) -> float:
        return (self._left_ends[column] + self._right_ends[column]) / 2

    def _span(self, number: int) -> tuple[float, float, float]:
        """Where a box begins across and along the flow, and where it ends along it."""
        cell, grid = self._cells[number], self.grid
        row = grid.rows[number]
        begin = (self._tops[row] + self._bottoms[row] - cell.whole_along) / 2
        return self._middles[number] - cell.across / 2, begin, begin + cell.along

    def _placed(self, number: int, corner: Knot) -> Placed:
        box, plan = self._body.boxes[number], self._plans[number]
        across, along, _ = self._span(number)
        x, y = self._turned(corner[0] + across, corner[1] + along)
        wide, high = self._turned(self._cells[number].across, self._cells[number].along)
        made = Placed(box, x, y, wide, high, self._texts[number], plan is not None)
        if plan is not None:
            inner = plan.size
            plan.fill(made, x + (wide - inner[0]) / 2, y + HEADER + LINE * (len(made.lines) - 1))
        made.labels += self._shape_labels(number, corner)
        return made

    def _shape_labels(self, number: int, corner: Knot) -> list[Label]:
        _, _, end = self._span(number)
        found = []
        for port, text in enumerate(self._shapes[number]):
            if not text:
                continue
            long = width(text, SMALL) + 8 if self._right else LABEL
            x, y = self._turned(corner[0] + self._out(End(number, port)), corner[1] + end + long / 2 + 4 * self._right)
            found.append(Label(text, x, y))
        return found

    def _port_labels(self, corner: Knot) -> list[Label]:
        found = []
        for row, names in zip((0, -1), self._names, strict=True):
            for port, text in enumerate(names):
                across = self._out(End(BORDER, port)) if row == 0 else self._in(End(BORDER, port))
                middle = (self._tops[row] + self._bottoms[row]) / 2
                found.append(Label(text, *self._turned(corner[0] + across, corner[1] + middle)))
        return found

    def _out(self, source: End) -> float:
        """Where a value leaves a box or enters the body, across the flow."""
        if source.box == BORDER:
            return self._centre(self.grid.entries[source.port])
        cell = self._cells[source.box]
        size = cell.whole_across if any(self._shapes[source.box]) else cell.across
        return self._middles[source.box] + size * self._sides.leaves[source]

    def _in(self, target: End) -> float:
        """Where a value enters a box or leaves the body, across the flow."""
        if target.box == BORDER:
            return self._exits[target.port]
        return self._middles[target.box] + self._cells[target.box].across * self._sides.enters[target]

    def _lines(self, number: int, net: Net) -> list[tuple[list[Knot], bool]]:
        """The lines of a net, one for each target."""
        found = []
        for target, gaps in zip(net.targets, self._columns(number, net), strict=True):
            lane = self.grid.lanes[number]
            begin = self._bottoms[0] if net.source.box == BORDER else self._span(net.source.box)[2]
            end = self._tops[-1] if target.box == BORDER else self._span(target.box)[1]
            middle = [self._out(net.source)]
            if len(gaps) > 1 and lane is not None:
                middle.append(self._centre(lane.column))
            middle.append(self._in(target))
            knots = [(middle[0], begin)]
            for place, (row, _) in enumerate(gaps):
                knots += [(middle[place], self._bottoms[row]), (middle[place + 1], self._tops[row + 1])]
            found.append(([*knots, (middle[-1], end)], target.box != BORDER))
        return found

    def _points(self, knots: list[Knot], corner: Knot) -> list[Knot]:
        """Knots as places in the picture, each once."""
        places = dict.fromkeys((round(across, 1), round(along, 1)) for across, along in knots)
        return [self._turned(corner[0] + across, corner[1] + along) for across, along in places]
