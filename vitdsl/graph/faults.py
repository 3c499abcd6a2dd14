"""Where in the file an error of the graph is: its trail, read from the inside to the outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from vitdsl.errors import Problem, ShapeError
from vitdsl.syntax.locate import locate, problem
from vitdsl.syntax.paths import Segment, format_path
from vitdsl.syntax.tree import Map


class UseTrail(tuple):
    """A mark in the trail of an error: it happened inside a define that was used here."""


class FormTrail(NamedTuple):
    """A mark in the trail of an error: it happened inside what a form expands into, at this place of that."""

    name: str
    place: tuple[Segment, ...]


def place_inside(trail: Sequence[Any]) -> tuple[Segment, ...] | None:
    """Where a trail leads to once forms are expanded, from the outside; None where it leads into a define."""
    place: list[Segment] = []
    for segment in reversed(trail):
        if isinstance(segment, UseTrail):
            return None
        if isinstance(segment, FormTrail):
            return (*place, *segment.place)
        place.append(segment)
    return tuple(place)


def problem_of(fault: ShapeError, tree: Map) -> Problem:
    """The fault as a problem: at the place of the innermost define it happened in, with a note for each use of one."""
    paths: list[list[Segment]] = [[]]
    form: tuple[str, list[Segment]] | None = None
    for segment in reversed(fault.trail):
        if isinstance(segment, UseTrail):
            paths.append(["define", segment[0]])
        elif isinstance(segment, FormTrail):
            form = (segment.name, [*paths[-1], *segment.place])
        else:
            paths[-1].append(segment)
    used = [locate(tree, path) for path in reversed(paths[:-1])]
    notes = [(f"used here, at {format_path(path)}", mark) for path, mark in used]
    found = problem(tree, paths[-1], fault.message, fault.hint)
    inside = [] if form is None else [(f"inside `{form[0]}`, at {format_path(form[1])}", None)]
    return replace(found, notes=(*inside, *notes))
