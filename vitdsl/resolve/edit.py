"""New trees out of old ones: one merged over another, or with a value put in. What does not change is shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitdsl.errors import Mark, Problem, SpecError
from vitdsl.syntax.paths import format_path
from vitdsl.syntax.tree import Map, Seq


class Place:
    """What stands at a place of a file. Merging asks it; this one knows nothing of what stands there.

    `vitdsl.validate.places` has the places of a spec.
    """

    def long(self, value: Any) -> Any:
        """The mapping that a short form stands for; any other value as it is."""
        return value

    def another(self, base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        """Whether two mappings that stand here are of different kinds: the second names another `type`."""
        return base.get("type") is not None and over.get("type") is not None and base["type"] != over["type"]

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a key, in either of two mappings that stand here."""
        return ANYTHING

    def entry(self) -> Place:
        """The place of each entry of a list that stands here."""
        return ANYTHING


ANYTHING = Place()


def merge(base: Any, over: Any, place: Place, marks: tuple[Mark | None, Mark | None] = (None, None)) -> Any:
    """`over` laid over `base`: by key, at every depth. This is the one law of merging.

    A mapping of another kind replaces: one with another `type`, another role, or the `use` of another define. So does
    everything that is no mapping. A short form is merged as the mapping that it stands for. `null` takes a key away.

    Args:
        base: what is there.
        over: what is laid over it, and wins.
        place: where both stand, which says what they are; nothing is guessed from their keys.
        marks: the positions of both.
    """
    if not isinstance(base, dict) and not isinstance(over, dict):
        return over
    below, above = _written_out(base, place, marks[0]), _written_out(over, place, marks[1])
    if not isinstance(below, dict) or not isinstance(above, dict):
        return over
    if place.another(below, above):
        return _without_nulls(over)
    made = Map(below)
    own, theirs = getattr(above, "marks", {}), getattr(below, "marks", {})
    positions = dict(theirs)
    for key, value in above.items():
        if value is None:
            made.pop(key, None)
            continue
        if key in below:
            ends = tuple(found[key][1] if key in found else None for found in (theirs, own))
            value = merge(below[key], value, place.below(key, below, above), ends)  # type: ignore[arg-type]
        made[key] = value
        if key in own:
            positions[key] = own[key]
    made.pos, made.marks = getattr(above, "pos", None) or getattr(below, "pos", None), positions
    return made


def _written_out(value: Any, place: Place, mark: Mark | None) -> Any:
    """A value in its long form, which stands where the short one does."""
    long = place.long(value)
    if long is not value and isinstance(long, dict):
        made = Map(long)
        made.pos, made.marks = mark, dict.fromkeys(made, (mark, mark)) if mark else {}
        return made
    return long


def _without_nulls(node: Any) -> Any:
    """A mapping that replaces another: there is nothing that its nulls could take away."""
    if not isinstance(node, dict) or None not in node.values():
        return node
    made = Map({key: value for key, value in node.items() if value is not None})
    made.pos, made.marks = getattr(node, "pos", None), getattr(node, "marks", {})
    return made


def put(tree: Any, path: tuple[Any, ...], value: Any, origin: Mark | None, label: str, place: Place = ANYTHING) -> Any:
    """The tree with `value` at a path, in place of what is there. None takes the key out.

    Only what lies on the path is copied. A short form on it is written out, so that a key can stand below it.
    """
    return _put(tree, path, 0, value, origin, label, ANYTHING if _leads(tree, path) else place)


def _leads(tree: Any, path: tuple[Any, ...]) -> bool:
    """Whether all of a path is there as it is written: then nothing has to be asked of what stands on it."""
    node = tree
    for segment in path:
        if isinstance(segment, str):
            if not isinstance(node, dict) or segment not in node:
                return False
        elif not isinstance(segment, int) or not isinstance(node, list) or not segment < len(node):
            return False
        node = node[segment]  # pyright: ignore[reportCallIssue, reportArgumentType]
    return True


def _put(node: Any, path: tuple[Any, ...], at: int, value: Any, origin: Mark | None, label: str, place: Place) -> Any:
    if at == len(path):
        return value
    segment = path[at]
    found, node = node, node if isinstance(node, list) and isinstance(segment, int) else place.long(node)
    if isinstance(segment, int) and isinstance(node, dict) and segment == 0:
        return _put(node, path, at + 1, value, origin, label, place)  # a mapping is a list of one
    if isinstance(segment, int):
        if not isinstance(node, list) or not segment < len(node):
            _nowhere(found, path, at, origin, label)
        there: Any = node[segment]  # type: ignore[index]
        made = node.copy() if isinstance(node, Seq) else Seq(node)
        made[segment] = _put(there, path, at + 1, value, origin, label, place.entry())
        if at + 1 == len(path) and origin and made.marks:
            made.marks[segment] = origin
        return made
    if not isinstance(segment, str) or (not isinstance(node, dict) and node is not None):
        _nowhere(found, path, at, origin, label)
    made = (node if isinstance(node, Map) else Map(node or {})).copy()
    if value is None and at + 1 == len(path):
        made.pop(segment, None)
        return made
    below = place.below(segment, made, made) if at + 1 < len(path) else ANYTHING  # what replaces asks for no place
    made[segment] = _put(made.get(segment), path, at + 1, value, origin, label, below)
    if origin and (at + 1 == len(path) or segment not in made.marks):
        made.marks[segment] = (origin, origin)
    return made


def _nowhere(node: Any, path: tuple[Any, ...], at: int, origin: Mark | None, label: str) -> None:
    before = format_path(path[:at]) or "the file"
    if isinstance(node, list):
        there = f"{before} is a list of {len(node)}"
    elif isinstance(node, dict):
        there = f"{before} is a mapping with {', '.join(node)}"
    else:
        there = f"{before} is {node!r}" if node is not None else f"there is no {before}"
    meant = format_path(tuple(int(each) if isinstance(each, str) and each.isdecimal() else each for each in path))
    hint = f"did you mean `{meant}`? Numbers of list entries stand in brackets" if meant != format_path(path) else ""
    raise SpecError(Problem(f"the path {format_path(path)} leads nowhere: {there}", label, origin, hint))
