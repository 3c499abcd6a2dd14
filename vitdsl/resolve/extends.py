"""Resolves a file: merges `extends`, applies `set`, and substitutes variables. A `Place` says how to merge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitdsl.errors import Mark, Problem, Source, SpecError
from vitdsl.resolve.edit import Place, Root, merge, put
from vitdsl.resolve.files import _positioned, _read_cached, find, load_tree
from vitdsl.resolve.variables import substitute_variables
from vitdsl.syntax.limits import SETTINGS
from vitdsl.syntax.locate import placed
from vitdsl.syntax.paths import parse_path
from vitdsl.syntax.recognise import recognise
from vitdsl.syntax.tree import Map

MAX_EXTENDS = 16


def resolve(source: str | Path | Mapping[str, Any], settings: Mapping[str, Any] | None, place: Root) -> Map:
    """Merges a file over what it extends, applies `set` and then `settings`, and substitutes variables.

    Args:
        source: a shipped name, a path, YAML text or a mapping.
        settings: values by written path, as in `--set`.
        place: the place of a whole file.

    Returns:
        The tree. Its late values depend on features, arguments, repetitions or holes.

    Raises:
        SpecError: something cannot be found, merged or computed.
    """
    tree, names = _extended(source, (), place)
    if settings:
        for path, value in settings.items():
            origin = Mark(Source("--set", f"{path}={value}"), 1, 1)
            tree = put(tree, parse_path(path, "--set"), recognise(_positioned(value), ()), origin, path, place)
    made = substitute_variables(tree)
    if made is tree:  # the tree may be in the table of files, and must not be changed
        made = Map(tree).placed(tree)
        made.variables = tree.variables
    made.names = names
    return made


def _extended(
    source: str | Path | Mapping[str, Any], chain: tuple[str, ...], place: Root, beside: Path | None = None
) -> tuple[Map, tuple[str, ...]]:
    """The file merged over those that it extends, and the names of all these files, nearest first."""
    path = None
    if isinstance(source, (str, Path)) and not (isinstance(source, str) and ("\n" in source or ": " in source)):
        path = find(str(source), beside, place)
        tree = _read_cached(path, place)
    else:
        tree = load_tree(source, place)
    own_name = tree.get("name")
    called: tuple[str, ...] = getattr(source, "names", ()) or ((own_name,) if isinstance(own_name, str) else ())
    if not chain and (other := place.other(tree, str(path) if path else called[0] if called else "FILE")):
        raise SpecError(Problem(other[0], mark=tree.pos, hint=other[1], code="E111"))
    if "extends" not in tree:
        return _own_settings(tree, tree, place), called
    name, where = tree["extends"], tree.marks.get("extends", (None, None))[1]
    if not isinstance(name, str):
        message = f"`extends` must be the name or path of one {place.what}"
        raise SpecError(Problem(message, "extends", where, code="E301"))
    key = str(path.resolve()) if path else "<text>"
    if key in chain or len(chain) >= MAX_EXTENDS:
        names = " -> ".join(Path(step).stem for step in [*chain, key])
        raise SpecError(Problem(f"`extends` goes round in a circle: {names}", "extends", where, code="E301"))
    with placed("extends", where):
        base, above = _extended(name, (*chain, key), place, path.parent if path else None)
    own = Map({k: v for k, v in tree.items() if k not in ("extends", "set")})
    own.pos, own.marks = tree.pos, tree.marks
    return _own_settings(merge(base, own, place), tree, place), (*called, *above)


def _own_settings(merged: Map, tree: Map, place: Place) -> Map:
    settings = Map() if tree.get("set") is None else tree["set"]
    if not isinstance(settings, Map):
        message = "`set` must be a mapping of written paths to values"
        raise SpecError(Problem(message, "set", tree.marks["set"][1], code="E203"))
    if SETTINGS.exceeds(len(settings)):
        message, hint = SETTINGS.fault(len(settings))
        raise SpecError(Problem(message, "set", tree.marks["set"][1], hint, code="E504"))
    for path, value in settings.items():
        where = settings.marks.get(path, (None, None))
        segments = _path(path, where[0])
        merged = put(merged, segments, value, where[1], f"set.{path}", place)
    if "set" in merged:
        merged = put(merged, ("set",), None, None, "set")
    return merged


def _path(text: str, where: Mark | None) -> tuple[Any, ...]:
    try:
        return parse_path(text)
    except SpecError as error:
        first = error.problems[0]
        raise SpecError(Problem(first.message, "set", where, first.hint, code=first.code)) from None
