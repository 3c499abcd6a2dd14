"""A model as a page: its boxes can be folded, searched and asked; one file that needs no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from vitdsl.features import Cost
from vitdsl.graph.costs import Analysis
from vitdsl.graph.summary import COLUMNS, rows_of, total_of
from vitdsl.pages import cut, render, shown
from vitdsl.pictures.boxes import BORDER, Body, Box, End, Port, opened
from vitdsl.pictures.grid import Grid, arrange
from vitdsl.pictures.labels import MOST_LETTERS, lines_of, port_names, shapes_of
from vitdsl.pictures.ports import Sides, sides_of
from vitdsl.pictures.shares import MEASURES, share_of
from vitdsl.pictures.words import shape_of
from vitdsl.units import format_macs, format_measure

HERE = Path(__file__).parent
LONGEST = 200
"""More letters of a name or a title are cut."""


def page(root: Box, name: str, analysis: Analysis, title: str = "") -> str:
    """The page's text; no text of a file is markup in it.

    Args:
        root: the model.
        name: what it is called.
        analysis: of its graph.
        title: of its paper.
    """
    view = _View(root)
    return render(HERE, "page.html", {
        "name": cut(name, LONGEST), "paper": cut(title, LONGEST), "total": total_of(analysis),
        "model": view.top, "columns": COLUMNS, "stages": [list(map(shown, row)) for row in rows_of(analysis.stages)],
        "measures": {key: words for key, (words, _) in MEASURES.items()},
        "data": {"bodies": view.bodies, "boxes": view.boxes},
    })  # fmt: skip


class _View:
    """What the template and the script get.

    Attributes:
        top: the model's body, as the template wants it: cells with boxes with bodies.
        bodies: by number, the lines of a body: which elements they join, and at which share of their sides.
        boxes: by number, the shares of a box, and what the details say.
    """

    def __init__(self, root: Box) -> None:
        self.bodies: dict[str, Any] = {}
        self.boxes: dict[str, Any] = {}
        self._root, self._opened, self._numbers = root, opened(root), count()
        assert root.body is not None
        self.top = self._body(root.body, next(self._numbers), whole=True)

    def _box(self, box: Box, read: set[int]) -> dict[str, Any]:
        number = next(self._numbers)
        self.boxes[str(number)] = {
            "shares": [share_of(box, self._root, measure) for measure in MEASURES],
            "title": lines_of(box)[0], "details": [[name, shown(text)] for name, text in details(box, self._root)],
        }  # fmt: skip
        return {
            "number": number, "kind": box.kind, "title": lines_of(box)[0], "note": cut(box.note, MOST_LETTERS),
            "open": id(box) in self._opened, "shapes": shapes_of(box, read),
            "words": shown(" ".join((box.title, box.path, box.written, box.kind, box.note))).lower(),
            "body": None if box.body is None else self._body(box.body, number),
        }  # fmt: skip

    def _body(self, body: Body, number: int, whole: bool = False) -> dict[str, Any]:
        grid = arrange(body)
        inner = [arrange(box.body) if box.body else None for box in body.boxes]
        read, sides = {net.source for net in body.nets}, sides_of(body, grid, inner)
        cells = []
        for index, box in enumerate(body.boxes):
            ends = [End(index, port) for port in range(len(box.outputs))]
            made = self._box(box, {end.port for end in ends if end in read})
            if made["shapes"]:  # from left to right, as the values leave
                made["shapes"] = [made["shapes"][end.port] for end in sorted(ends, key=sides.leaves.__getitem__)]
            cells.append({"row": grid.rows[index], "column": grid.columns[index], "box": made})
        numbers = [cell["box"]["number"] for cell in cells]
        self.bodies[str(number)] = _lines(body, number, grid, sides, numbers)
        names = [port_names(ports, body, whole) for ports in (body.entries, body.exits)]
        return {
            "number": number, "height": grid.height, "width": grid.width, "cells": cells,
            "entries": _ports(grid.entries, names[0]), "exits": _ports(grid.exits, names[1]), "lanes": grid.lanes,
        }  # fmt: skip


def _ports(columns: list[int], names: list[str]) -> list[tuple[int, str]]:
    return list(zip(columns, names or [""] * len(columns), strict=True))


def _lines(body: Body, number: int, grid: Grid, sides: Sides, numbers: list[int]) -> list[dict[str, Any]]:
    """The lines of a body, one for each net."""
    found = []
    for index, net in enumerate(body.nets):
        source = net.source
        found.append({
            "from": f"entry{number}-{source.port}" if source.box == BORDER else f"box{numbers[source.box]}",
            "share": 0 if source.box == BORDER else sides.leaves[source], "row": grid.row(source, True),
            "lane": None if grid.lanes[index] is None else f"lane{number}-{index}",
            "to": [{
                "to": f"exit{number}-{target.port}" if target.box == BORDER else f"box{numbers[target.box]}",
                "share": 0 if target.box == BORDER else sides.enters[target], "row": grid.row(target, False),
                "tip": target.box != BORDER,
            } for target in net.targets],
        })  # fmt: skip
    return found


# ---------------------------------------------------------------- details


def details(box: Box, root: Box) -> Iterator[tuple[str, str]]:
    """What a page says of a box: names and texts."""
    yield "is a", box.kind if box.kind != "sign" else "operator"
    yield "module path", box.path or "none"
    yield "path in the YAML", box.written or "none of its own"
    if box.times > 1:
        yield "repeats", f"{box.times}, each with weights of its own"
    yield "reads", _shapes(box.inputs)
    yield "gives", _shapes(box.outputs)
    yield from _costs(box, root)
    yield from box.fields


def _shapes(ports: list[Port]) -> str:
    texts = Counter(f"{port.name.lstrip('@')} {shape_of(port.feature)}".strip() for port in ports)
    return ", ".join(f"{times} × {text}" if times > 1 else text for text, times in texts.items()) or "nothing"


def _costs(box: Box, root: Box) -> Iterator[tuple[str, str]]:
    """In all, with the share of the model; and of each run where there are several."""
    runs = box.all != box.cost
    for measure, (words, _) in MEASURES.items():
        each = f", {_amount(measure, box.cost)} a run" if runs else ""
        yield words, f"{_amount(measure, box.all)} ({share_of(box, root, measure):.1%}){each}"
        if measure == "params" and box.all.params != box.all.trainable_params:
            yield "of them fixed", f"{box.all.params - box.all.trainable_params:,}"


def _amount(measure: str, cost: Cost) -> str:
    if measure == "macs":
        return format_macs(cost.macs) if cost.macs >= 1000 else f"{cost.macs}"
    return f"{cost.params:,}" if measure == "params" else format_measure(cost.activation_bytes, "bytes")
