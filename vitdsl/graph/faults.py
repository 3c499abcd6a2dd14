"""Where in the file an error of the graph is: its trail, read from the inside to the outside."""

from __future__ import annotations

from typing import Any

from vitdsl.errors import Problem, ShapeError
from vitdsl.graph.repeats import UseTrail
from vitdsl.places import problem, spelled
from vitdsl.tree import Map, format_path


def problem_of(fault: ShapeError, tree: Map) -> Problem:
    """The fault as a problem: at the place of the innermost define it happened in, with a note for each use of one."""
    chain: list[tuple[str, ...] | None] = []
    paths: list[list[Any]] = [[]]
    for segment in reversed(fault.trail):
        if isinstance(segment, UseTrail):
            chain.append(segment)
            paths.append(["define", segment[0]])
        else:
            paths[-1].append(segment)
    used = [spelled(tree, path) for path in reversed(paths[:-1])]
    notes = [(f"used here, at {format_path(path)}", mark) for path, mark in used]
    return problem(tree, paths[-1], fault.message, fault.hint, notes)
