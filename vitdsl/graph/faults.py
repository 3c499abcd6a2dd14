"""Locates errors of the graph in the file. An error has a trail: keys and indexes, the innermost first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from vitdsl.errors import Problem, ShapeError
from vitdsl.syntax.locate import locate, problem
from vitdsl.syntax.paths import Segment, format_path
from vitdsl.syntax.tree import Map


class UseTrail(tuple):
    """A mark in the trail of an error: what is before it is inside of the define that is used here."""


class FormTrail(NamedTuple):
    """A mark in the trail of an error: it happened inside the expansion of a form, at this path of the expansion."""

    name: str
    path: tuple[Segment, ...]


def path_inside(trail: Sequence[Any]) -> tuple[Segment, ...] | None:
    """The path of a trail in the tree whose forms are expanded; None if it leads into a define."""
    path: list[Segment] = []
    for segment in reversed(trail):
        if isinstance(segment, UseTrail):
            return None
        if isinstance(segment, FormTrail):
            return (*path, *segment.path)
        path.append(segment)
    return tuple(path)


def problem_of(fault: ShapeError, tree: Map) -> Problem:
    """The fault as a problem: located in the innermost define that it happened in, with a note for each use."""
    paths: list[list[Segment]] = [[]]
    form: tuple[str, list[Segment]] | None = None
    for segment in reversed(fault.trail):
        if isinstance(segment, UseTrail):
            paths.append(["define", segment[0]])
        elif isinstance(segment, FormTrail):
            form = (segment.name, [*paths[-1], *segment.path])
        else:
            paths[-1].append(segment)
    used = [locate(tree, path) for path in reversed(paths[:-1])]
    notes = [(f"used here, at {format_path(path)}", mark) for path, mark in used]
    found = problem(tree, paths[-1], fault.message, fault.hint, fault.code)
    inside = [] if form is None else [(f"inside `{form[0]}`, at {format_path(form[1])}", None)]
    return replace(found, notes=(*inside, *notes))
