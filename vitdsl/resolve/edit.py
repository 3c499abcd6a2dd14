"""Edits of trees: merge one over another, or replace a value at a path. Trees are not changed; parts are shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

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


class Root(Place):
    """The root of a file of one kind.

    Attributes:
        what: the kind, as messages call it.
        is_a: what such a file is, as a sentence says it.
        folders: of `specs`, in which files of this kind are shipped; the first one found is taken.
        list_all: how to see the names of those that are shipped.
    """

    what = "spec"
    is_a = "a mapping with `stages` and a `head`"
    folders: tuple[str, ...] = ("", "spaces")
    list_all = "`vitdsl list` prints the specs that are shipped"

    def other(self, tree: Mapping[str, Any], name: str) -> tuple[str, str] | None:
        """What a file is that is not of this kind, as a message and a hint; None where it may be of this kind."""
        return None


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
    replaced = True
    for node, segment in reversed(_existing_path(tree, path) or _resolve_path(tree, path, origin, label, place)):
        made = node.copy()
        if isinstance(made, Seq):
            made[segment] = value
            if replaced and origin and made.marks:
                made.marks[segment] = origin
        elif replaced and value is None:
            made.pop(segment, None)
        else:
            made[segment] = value
            if origin and (replaced or segment not in made.marks):
                made.marks[segment] = (origin, origin)
        value, replaced = made, False
    return value


Steps = list[tuple[Any, Any]]
"""The mappings and lists on a path, each with the key or index that leads on."""


def _existing_path(tree: Any, path: tuple[Any, ...]) -> Steps | None:
    """The steps of a path where all of it is there as it is written: then no place has to be asked. Else None."""
    steps, node = [], tree
    for segment in path:
        if isinstance(node, str):
            return None
        steps.append((node, segment))
        try:
            node = node[segment]
        except (LookupError, TypeError):
            return None
    return steps


def _resolve_path(tree: Any, path: tuple[Any, ...], origin: Mark | None, label: str, place: Place) -> Steps:
    """The steps of a path, short forms written out; a mapping is a list of one."""
    steps, node = [], tree
    for at, segment in enumerate(path):
        index = isinstance(segment, int)
        long = node if index and isinstance(node, list) else place.long(node)
        if index and segment == 0 and isinstance(long, dict):
            node = long
        elif index and isinstance(long, list) and segment < len(long):
            steps.append((long if isinstance(long, Seq) else Seq(long), segment))
            node, place = long[segment], place.entry()
        elif isinstance(segment, str) and (isinstance(long, dict) or long is None):
            long = long if isinstance(long, Map) else Map(long or {})
            steps.append((long, segment))
            node, place = long.get(segment), place.below(segment, long, long)
        else:
            _nowhere(node, path, at, origin, label)
    return steps


def _nowhere(node: Any, path: tuple[Any, ...], at: int, origin: Mark | None, label: str) -> NoReturn:
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
