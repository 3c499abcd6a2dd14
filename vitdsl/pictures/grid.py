"""Where boxes stand beside one another: rows, columns, and the lanes in which values pass rows by.

Rows follow the flow. A box stands in the column of what it reads, if that is free there; else in the next one to the
right. A value that is read later than in the next row passes the rows between in a lane: in its own column where no box
stands in it, else in a narrow column beside it. So every edge is a straight line within a row, and bends between rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import networkx

from vitdsl.pictures.boxes import BORDER, Body, End

Column = tuple[int, int]
"""A column of boxes and 0, or the column that a narrow one stands beside and the number of that, from 1."""


class Lane(NamedTuple):
    """A value that passes rows by: its column, the first and the last of the rows."""

    column: int
    first: int
    last: int


class Grid(NamedTuple):
    """The places of a body.

    Attributes:
        rows: of each box; entries are in row 0, exits in the last one.
        columns: of each box.
        entries: the column of each entry.
        exits: the column of each exit.
        lanes: of each net, in the order of the body's; None of those that need none.
        height: the number of rows.
        width: the number of columns.
    """

    rows: list[int]
    columns: list[int]
    entries: list[int]
    exits: list[int]
    lanes: list[Lane | None]
    height: int
    width: int

    def row(self, end: End, source: bool) -> int:
        """The row of an end of an edge."""
        return self.rows[end.box] if end.box != BORDER else 0 if source else self.height - 1

    def column(self, end: End, source: bool) -> int:
        """The column of an end of an edge."""
        if end.box != BORDER:
            return self.columns[end.box]
        return (self.entries if source else self.exits)[end.port]


def arrange(body: Body, spread: bool = True) -> Grid:
    """Places what a body holds.

    Args:
        body: boxes and nets.
        spread: each exit has a column of its own; else it is in that of what it comes from.
    """
    rows = _rows(body)
    height = max(rows, default=0) + 2
    places = _Places(body, rows, height, spread)
    found = sorted({column for _, column in places.taken})
    index = {column: number for number, column in enumerate(found)}
    return Grid(
        rows, [index[column] for column in places.boxes], [index[column] for column in places.entries],
        [index[column] for column in places.exits],
        [None if lane is None else Lane(index[lane[0]], *lane[1:]) for lane in places.lanes], height, len(found),
    )  # fmt: skip


def _rows(body: Body) -> list[int]:
    """The row of each box: the next one after all that it reads; of what reads nothing, the one before its reader."""
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(len(body.boxes)))
    for net in body.nets:
        if net.source.box != BORDER:
            graph.add_edges_from((net.source.box, target.box) for target in net.targets if target.box != BORDER)
    rows = [1] * len(body.boxes)
    for number in networkx.topological_sort(graph):
        rows[number] = 1 + max((rows[other] for other in graph.predecessors(number)), default=0)
    reading = {target.box for net in body.nets for target in net.targets}
    for number in range(len(rows)):
        if number not in reading:
            rows[number] = min((rows[other] for other in graph.successors(number)), default=2) - 1
    return rows


class _Places:
    """Columns of boxes, entries, exits and lanes."""

    def __init__(self, body: Body, rows: list[int], height: int, spread: bool) -> None:
        self._rows, self._height, self._body = rows, height, body
        self.taken: set[tuple[int, Column]] = set()
        self.boxes: list[Column] = [(0, 0)] * len(body.boxes)
        self.entries = [self._take([0], [(place, 0)]) for place in self._entry_places()]
        sources = _sources(body)
        order = sorted(range(len(rows)), key=lambda number: (rows[number], number))
        for number in order:
            self.boxes[number] = self._take([rows[number]], self._wanted(sources.get(number, ())))
        ends = sources.get(BORDER, [])
        self.exits = [self._column(end) for end in ends]
        late = sorted(range(len(ends)), key=lambda port: (-self._row_of(ends[port]), port))
        for port in late if spread else ():  # what is made last goes straight on
            self.exits[port] = self._take([height - 1], self._wanted([ends[port]]))
        self.lanes = [self._lane(number) for number in range(len(body.nets))]

    def _entry_places(self) -> list[int]:
        """Entries from left to right as they are read first."""
        first = {net.source.port: min(self._row(end) for end in net.targets)
                 for net in self._body.nets if net.source.box == BORDER}  # fmt: skip
        order = sorted(range(len(self._body.entries)), key=lambda port: (first.get(port, 0), port))
        return [order.index(port) for port in range(len(order))]

    def _row_of(self, source: End) -> int:
        return 0 if source.box == BORDER else self._rows[source.box]

    def _row(self, target: End) -> int:
        return self._rows[target.box] if target.box != BORDER else self._height - 1

    def _column(self, source: End) -> Column:
        return self.entries[source.port] if source.box == BORDER else self.boxes[source.box]

    def _wanted(self, sources: Sequence[End]) -> Iterator[Column]:
        """Columns that a box may have, the best one first."""
        columns = sorted(self._column(source) for source in sources)
        yield from columns
        first = columns[0][0] if columns else 0
        yield from ((first + step, 0) for step in range(1, len(self._body.boxes) + len(self._body.exits) + 2))
        yield from ((column, 0) for column in range(10**6))

    def _take(self, rows: Iterable[int], wanted: Iterable[Column]) -> Column:
        """Takes the first column that is free in some rows."""
        rows = list(rows)
        for column in wanted:
            if not any((row, column) in self.taken for row in rows):
                self.taken |= {(row, column) for row in rows}
                return column
        raise AssertionError("there is always a free column")

    def _lane(self, number: int) -> tuple[Column, int, int] | None:
        """The lane of a net, if it is read later than in the next row."""
        net = self._body.nets[number]
        first = self._row_of(net.source) + 1
        last = max(map(self._row, net.targets)) - 1
        if last < first:
            return None
        own = self._column(net.source)
        final = max(net.targets, key=self._row)
        ends = self.exits[final.port] if final.box == BORDER else self.boxes[final.box]
        beside = ((own[0], step) for step in range(1, len(self._body.nets) + 2))
        return self._take(range(first, last + 1), (own, ends, *beside)), first, last


def _sources(body: Body) -> dict[int, list[End]]:
    """What each box and the border read, by port."""
    found: dict[int, dict[int, End]] = {}
    for net in body.nets:
        for target in net.targets:
            found.setdefault(target.box, {})[target.port] = net.source
    return {box: [ends[port] for port in sorted(ends)] for box, ends in found.items()}
