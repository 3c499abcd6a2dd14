"""Merges two trees, and puts values at paths. Trees are not changed; results share what is equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from vitdsl.errors import Mark, Problem, SpecError
from vitdsl.syntax.paths import format_path
from vitdsl.syntax.tree import Map, Seq


class Place:
    """What may stand at a path of a file, and how it is merged. This class is for paths of unknown content.

    `vitdsl.validate.places` has the places of a spec.
    """

    def long(self, value: Any) -> Any:
        """The mapping that a short form stands for; other values as they are."""
        return value

    def replaces(self, base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        """Whether the second mapping replaces the first, instead of being merged: it has another `type`."""
        return base.get("type") is not None and over.get("type") is not None and base["type"] != over["type"]

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a key of two mappings that are merged here."""
        return ANYTHING

    def entry(self) -> Place:
        """The place of each entry of a list here."""
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
    """Merges `over` over `base`: key by key, at every depth. This is the only rule of merging.

    A mapping of another kind replaces the base: one with another `type`, another role, or the `use` of another define.
    A value that is not a mapping replaces it too. A short form is merged as the mapping that it stands for. `null`
    removes a key.

    Args:
        base: the tree below.
        over: the tree above, which wins.
        place: the place of both, which says what they may be; nothing is guessed from their keys.
        marks: the positions of both.
    """
    if not isinstance(base, dict) and not isinstance(over, dict):
        return over
    below, above = _written_out(base, place, marks[0]), _written_out(over, place, marks[1])
    if not isinstance(below, dict) or not isinstance(above, dict):
        return over
    if place.replaces(below, above):
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
    """A value in its long form, with the position of the short form."""
    long = place.long(value)
    if long is not value and isinstance(long, dict):
        made = Map(long)
        made.pos, made.marks = mark, dict.fromkeys(made, (mark, mark)) if mark else {}
        return made
    return long


def _without_nulls(node: Any) -> Any:
    """A mapping without nulls: it replaces another one, so there are no keys that its nulls could remove."""
    if not isinstance(node, dict) or None not in node.values():
        return node
    made = Map({key: value for key, value in node.items() if value is not None})
    made.pos, made.marks = getattr(node, "pos", None), getattr(node, "marks", {})
    return made


def put(tree: Any, path: tuple[Any, ...], value: Any, origin: Mark | None, label: str, place: Place = ANYTHING) -> Any:
    """The tree with `value` at a path. None removes the key.

    Only the mappings and lists on the path are copied. A short form on the path becomes its long form.
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
"""The mappings and lists on a path, each with the next key or index."""


def _existing_path(tree: Any, path: tuple[Any, ...]) -> Steps | None:
    """The steps of a path that exists without short forms, so that no place is needed; else None."""
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
    """The steps of a path with short forms expanded; index 0 of a mapping is the mapping itself."""
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
            _refuse_path(node, path, at, origin, label)
    return steps


def _refuse_path(node: Any, path: tuple[Any, ...], at: int, origin: Mark | None, label: str) -> NoReturn:
    before = format_path(path[:at]) or "the file"
    if isinstance(node, list):
        there = f"{before} is a list of {len(node)}"
    elif isinstance(node, dict):
        there = f"{before} is a mapping with {', '.join(node)}"
    else:
        there = f"{before} is {node!r}" if node is not None else f"there is no {before}"
    meant = format_path(tuple(int(each) if isinstance(each, str) and each.isdecimal() else each for each in path))
    hint = f"did you mean `{meant}`? Numbers of list entries stand in brackets" if meant != format_path(path) else ""
    message = f"the path {format_path(path)} leads nowhere: {there}"
    raise SpecError(Problem(message, label, origin, hint, code="E302"))
