"""Where in the file a fault is: its location, as the file spells it, and the mark there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from vitdsl.errors import Mark, Problem, SpecError
from vitdsl.syntax.holes import SHOWN, Hole, holes_below
from vitdsl.syntax.paths import Key, Repetition, Segment, format_path
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import Map


def locate(tree: Any, location: Iterable[Segment]) -> tuple[tuple[Segment, ...], Mark | None]:
    """The written path of a location, and the position of its value, or of its key where the last segment is a `Key`.

    What lies below a value that is written short (`dropout: 0.1` for its rate) is at that value; a mapping in the place
    of a list has no index; a key that is missing is at the mapping that misses it. All repetitions are at one place.
    """
    node: Any = tree
    mark: Mark | None = getattr(tree, "pos", None)
    path: list[Segment] = []
    for segment in location:
        node = node.raw if isinstance(node, Hole) else node
        mapping: bool = isinstance(node, dict)
        if isinstance(segment, Repetition):
            path.append(segment)
            continue
        if mapping and isinstance(segment, int):
            continue
        if not mapping and not isinstance(node, list):
            break
        path.append(segment)
        keys = node if mapping else range(len(node))
        if segment not in keys:
            break
        marks: Any = getattr(node, "marks", ())
        own = marks[segment] if segment in (marks if mapping else range(len(marks))) else None
        if mapping and own is not None:
            own = own[0 if isinstance(segment, Key) else 1]
        node = node[segment]  # pyright: ignore[reportCallIssue, reportArgumentType]
        mark = own or getattr(node, "pos", None) or mark
    return tuple(path), mark


@contextmanager
def placed(key: str, mark: Mark | None) -> Iterator[None]:
    """Within, a SpecError that has no position gets that of the value of a key."""
    try:
        yield
    except SpecError as error:
        first = error.problems[0]
        if first.mark is not None:
            raise
        raise SpecError(Problem(first.message, key, mark, first.hint, code=first.code)) from None


def mark_of(tree: Any, location: Iterable[Segment]) -> Mark | None:
    """The position of a value, or of its nearest ancestor that is there; None where nothing has a position."""
    return locate(tree, location)[1]


def problem(
    tree: Any, location: Iterable[Segment], message: str, hint: str = "", code: str = "", notes: Any = ()
) -> Problem:
    """A fault at its place in the file."""
    path, mark = locate(tree, location)
    return Problem(message, format_path(path), mark, hint, tuple(notes), code)


# ---------------------------------------------------------------- open holes


def holes_in(node: Any) -> bool:
    """Whether a tree has holes."""
    return facts(node).holes


def open_holes(tree: Map) -> Problem:
    """What to say where a spec with holes is to become a model."""
    paths = [at for at, _ in holes_below(tree, nested=False)]
    names = [format_path(path) for path in paths]
    shown = ", ".join(names[:SHOWN]) + (f", … and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    count = "one open hole" if len(names) == 1 else f"{len(names)} open holes"
    hint = f"fill them: `--set {names[0]}=…`, or `vitdsl sample` draws them"
    notes = [(f"another, {format_path(path)}", mark_of(tree, path)) for path in paths[1:SHOWN]]
    return problem(tree, paths[0], f"this spec has {count}: {shown}", hint, "E216", notes)
