"""Where in the file a fault is: its location, as the file spells it, and the mark there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vitdsl.errors import Mark, Problem
from vitdsl.syntax.holes import SHOWN, Hole
from vitdsl.syntax.paths import Key, Repetition, Segment, format_path
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import Map, Seq


def spelled(tree: Any, location: Iterable[Segment]) -> tuple[tuple[Segment, ...], Mark | None]:
    """The written path of a location, and where it stands.

    What lies below a value that is written short (`dropout: 0.1` for its rate) is at that value; a mapping in the place
    of a list has no index; a key that is missing is at the mapping that misses it.
    """
    node, found = tree, getattr(tree, "pos", None)
    made: list[Segment] = []
    for segment in location:
        if isinstance(node, Hole):
            node = node.raw
        if isinstance(segment, Repetition):
            made.append(segment)
        elif isinstance(node, dict) and isinstance(segment, int):
            continue
        elif isinstance(node, (dict, list)):
            made.append(segment)
            mark = _mark(node, segment)
            if mark is _ABSENT:
                break
            node = node[segment]  # type: ignore[call-overload,index]
            found = mark or getattr(node, "pos", None) or found
        else:
            break
    return tuple(made), found


_ABSENT: Any = object()


def _mark(node: Any, segment: Any) -> Mark | None:
    """The mark of an entry: None where it has none, `_ABSENT` where there is no such entry."""
    if isinstance(node, dict):
        if segment not in node:
            return _ABSENT
        pair = node.marks.get(segment) if isinstance(node, Map) else None
        return None if pair is None else pair[0 if isinstance(segment, Key) else 1]
    if not isinstance(segment, int) or not 0 <= segment < len(node):
        return _ABSENT
    return node.marks[segment] if isinstance(node, Seq) and segment < len(node.marks) else None


def problem(tree: Any, location: Iterable[Segment], message: str, hint: str = "", notes: Any = ()) -> Problem:
    """A fault at its place in the file."""
    path, mark = spelled(tree, location)
    return Problem(message, format_path(path), mark, hint, tuple(notes))


# ---------------------------------------------------------------- open holes


def holes_in(node: Any) -> bool:
    """Whether a tree has holes."""
    return facts(node).holes


def _holes(node: Any, path: tuple[Segment, ...]) -> list[tuple[Segment, ...]]:
    if isinstance(node, Hole):
        return [path]
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, value in entries for found in _holes(value, (*path, key))]


def open_holes(tree: Map) -> Problem:
    """What to say where a spec with holes is to become a model."""
    paths = _holes(tree, ())
    names = [format_path(path) for path in paths]
    shown = ", ".join(names[:SHOWN]) + (f", … and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    count = "one open hole" if len(names) == 1 else f"{len(names)} open holes"
    hint = f"fill them: `--set {names[0]}=…`, or `vitdsl sample` draws them"
    notes = [(f"another, {format_path(path)}", spelled(tree, path)[1]) for path in paths[1:SHOWN]]
    return problem(tree, paths[0], f"this spec has {count}: {shown}", hint, notes)


def lookup(tree: Any, segments: Iterable[Segment], key: bool = False) -> Mark | None:
    """Find where the value at a path stands.

    Args:
        tree: what `read` returned; plain dicts and lists in it are passed through.
        segments: the path; repetitions are passed over, since all stand at one place.
        key: return the position of the key instead.

    Returns:
        The position of the value, or of its nearest ancestor that is there; None if nothing has a position.
    """
    found: Mark | None = getattr(tree, "pos", None)
    for segment in segments:
        if isinstance(segment, Repetition):
            continue
        marks: Any = getattr(tree, "marks", None)
        if isinstance(tree, dict) and segment in tree:
            pair = marks.get(segment) if marks else None
            own = None if pair is None else pair[0 if key else 1]
        elif isinstance(tree, list) and isinstance(segment, int) and 0 <= segment < len(tree):
            own = marks[segment] if marks and segment < len(marks) else None
        else:
            break
        tree = tree[segment]  # pyright: ignore[reportCallIssue, reportArgumentType]
        found = own or getattr(tree, "pos", None) or found
    return found
