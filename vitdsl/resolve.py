"""From a file to the merged file: `extends`, `set`, late values, variables. Nothing is known of parts here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from vitdsl.editing import fold, merge, names_in, put
from vitdsl.errors import Mark, Problem, Source, SpecError, did_you_mean
from vitdsl.resolve_files import shipped
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.paths import parse_path
from vitdsl.syntax.recognise import recognise
from vitdsl.syntax.source import read, read_file
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import Map, Seq

MAX_EXTENDS = 16


def find(name: str, beside: Path | None = None) -> Path:
    """The file of a spec: a path, or the name of a shipped spec.

    Raises:
        SpecError: there is no such file.
    """
    for path in _candidates(name, beside):
        if os.path.isfile(path):  # noqa: PTH113 - several times faster, and a search asks for every candidate
            return path
    given = Path(name)
    if given.suffix or given.parent != Path() or (name and os.path.isdir(given)):  # noqa: PTH112
        return given
    names = [path.stem for folder in ("", "spaces") for path in shipped(folder).glob("*.yaml")]
    raise SpecError(Problem(f"there is no spec `{name}`", hint=did_you_mean(name, names)))


@lru_cache(maxsize=512)
def _candidates(name: str, beside: Path | None) -> tuple[Path, ...]:
    """Where a spec of this name may be, in order."""
    given = Path(name)
    near = [given] if beside is None else [beside / given, given]
    written = [path.with_suffix(".yaml") for path in near if path.name and not path.suffix]
    return (*near, *written, shipped() / f"{name}.yaml", shipped("spaces") / f"{name}.yaml")


def load_tree(source: str | Path | Mapping[str, Any]) -> Map:
    """The file as written, late values recognised: a path, a shipped name, YAML text or a mapping."""
    if isinstance(source, Mapping):
        return _mapping(recognise(_positioned(source), ()), None)
    text = str(source)
    if isinstance(source, str) and ("\n" in text or ":" in text.replace(":\\", "")):
        return _mapping(recognise(read(text, "<text>"), ()), None)
    return _read_cached(find(text))


def _read_cached(path: Path) -> Map:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return _read(path, None)
    return _read(path, (status.st_mtime_ns, status.st_size))


@cache
def _files() -> dict[Path, tuple[Any, Map]]:
    return {}


def _read(path: Path, stamp: Any) -> Map:
    files = _files()
    if path in files and files[path][0] == stamp:
        return files[path][1]
    tree = _mapping(recognise(read_file(path), ()), path)
    if len(files) >= 512:
        files.clear()
    files[path] = (stamp, tree)
    return tree


def _mapping(tree: Any, path: Path | None) -> Map:
    if not isinstance(tree, Map):
        where = Mark(Source(str(path or "<text>"), ""), 1, 1)
        raise SpecError(
            Problem("a spec is a mapping with `stages` and a `head`, but this is a single value or a list", mark=where)
        )
    return tree


def _positioned(value: Any) -> Any:
    """Plain mappings and lists as those of a file, without positions."""
    if isinstance(value, Mapping):
        return Map({str(key): _positioned(entry) for key, entry in value.items()})
    if isinstance(value, (list, tuple)):
        return Seq([_positioned(entry) for entry in value])
    return value


def resolve(source: str | Path | Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> Map:
    """The merged file: what it extends below it, `set` and then `settings` put in, variables folded.

    Args:
        source: a shipped name, a path, YAML text or a mapping.
        settings: values by written path, as `--set` gives them.

    Returns:
        The tree, in which only what depends on features, arguments, repetitions and holes is late.

    Raises:
        SpecError: what cannot be found, merged or computed.
    """
    tree = _extended(source, ())
    names = tree.names
    if settings:
        for path, value in settings.items():
            origin = Mark(Source("--set", f"{path}={value}"), 1, 1)
            tree = put(tree, parse_path(path, "--set"), recognise(_positioned(value), ()), origin, path)
    return _named(folded(tree), names)


def _named(tree: Map, names: tuple[str, ...]) -> Map:
    """The same tree, not the one in the table of files, that knows these names."""
    made = Map(tree)
    made.pos, made.marks, made.names, made.variables = tree.pos, tree.marks, names, tree.variables
    return made


def _extended(source: str | Path | Mapping[str, Any], chain: tuple[str, ...], beside: Path | None = None) -> Map:
    path = None
    if isinstance(source, (str, Path)) and not (isinstance(source, str) and ("\n" in source or ": " in source)):
        path = find(str(source), beside)
        tree = _read_cached(path)
    else:
        tree = load_tree(source)
    own_name = tree.get("name")
    called: tuple[str, ...] = getattr(source, "names", ()) or ((own_name,) if isinstance(own_name, str) else ())
    if "extends" not in tree:
        return _named(_own_settings(tree, tree), called)
    name, where = tree["extends"], tree.marks.get("extends", (None, None))[1]
    if not isinstance(name, str):
        raise SpecError(Problem("`extends` must be the name or path of one spec", "extends", where))
    key = str(path.resolve()) if path else "<text>"
    if key in chain or len(chain) >= MAX_EXTENDS:
        names = " -> ".join(Path(step).stem for step in [*chain, key])
        raise SpecError(Problem(f"`extends` goes round in a circle: {names}", "extends", where))
    try:
        base = _extended(name, (*chain, key), path.parent if path else None)
    except SpecError as error:
        if error.problems[0].mark is None:
            raise SpecError(Problem(error.problems[0].message, "extends", where, error.problems[0].hint)) from None
        raise
    own = Map({k: v for k, v in tree.items() if k not in ("extends", "set")})
    own.pos, own.marks = tree.pos, tree.marks
    return _named(_own_settings(merge(base, own), tree), (*called, *base.names))


def _own_settings(merged: Map, tree: Map) -> Map:
    settings = tree.get("set")
    if settings is None:
        return merged
    if not isinstance(settings, Map):
        raise SpecError(Problem("`set` must be a mapping of written paths to values", "set", tree.marks["set"][1]))
    for path, value in settings.items():
        where = settings.marks.get(path, (None, None))
        segments = _path(path, where[0])
        merged = put(merged, segments, value, where[1], f"set.{path}")
    if "set" in merged:
        merged = put(merged, ("set",), None, None, "set")
    return merged


def _path(text: str, where: Mark | None) -> tuple[Any, ...]:
    try:
        return parse_path(text)
    except SpecError as error:
        raise SpecError(Problem(error.problems[0].message, "set", where, error.problems[0].hint)) from None


def folded(tree: Map) -> Map:
    """The tree with its variables put in; those that an unfolded expression still names are kept."""
    if "vars" not in tree:
        return tree
    variables = _variables(tree)
    names = tuple(variables)
    env = _settled(variables)
    problems: list[Problem] = []
    made = Map()
    for key, value in tree.items():
        if key == "vars":
            continue
        made[key] = (
            _fold_define(value, env, problems)
            if key == "define"
            else fold(value, env, (key,), problems, tree.marks.get(key, (None, None))[1])
        )
    made.pos, made.marks, made.variables = tree.pos, {k: v for k, v in tree.marks.items() if k != "vars"}, names
    if problems:
        raise SpecError(problems)
    wanted = named_by(names_in(made), variables)
    left = {name: value for name, value in variables.items() if name in wanted}
    if left:
        kept = made["vars"] = Map(left)
        kept.pos, kept.marks = tree["vars"].pos, tree["vars"].marks
        if "vars" in tree.marks:
            made.marks["vars"] = tree.marks["vars"]
    return made


def _fold_define(defines: Any, env: dict[str, Any], problems: list[Problem]) -> Any:
    if not isinstance(defines, Map):
        return defines
    made = Map()
    for name, entry in defines.items():
        inner = env
        if isinstance(entry, Map):
            args, optional = entry.get("args"), entry.get("optional")
            taken = {a for a in args if isinstance(a, str)} if isinstance(args, list) else set()
            taken.update(optional if isinstance(optional, dict) else ())
            inner = {key: value for key, value in env.items() if key not in taken}
        made[name] = fold(entry, inner, ("define", name), problems, defines.marks.get(name, (None, None))[1])
    made.pos, made.marks = defines.pos, defines.marks
    return made


def _variables(tree: Map) -> dict[str, Any]:
    raw = tree["vars"]
    where = tree.marks.get("vars", (None, None))[1]
    if not isinstance(raw, Map):
        raise SpecError(Problem("`vars` must be a mapping of names to values", "vars", where))
    done: dict[str, Any] = {}
    waiting = dict(raw.items())
    while waiting:
        ready = [name for name, value in waiting.items() if not names_in(value) & waiting.keys()]
        if not ready:
            circle = ", ".join(f"`{name}`" for name in sorted(waiting))
            first = next(name for name in raw if name in waiting)
            where = raw.marks.get(first, (where, where))[0]
            raise SpecError(Problem(f"the variables {circle} are made of one another", f"vars.{first}", where))
        for name in ready:
            problems: list[Problem] = []
            value = fold(
                waiting.pop(name), _settled(done), ("vars", name), problems, raw.marks.get(name, (None, None))[1]
            )
            if problems:
                raise SpecError(problems)
            done[name] = value
    return done


def named_by(names: Iterable[str], variables: Mapping[str, Any]) -> set[str]:
    """The names, and those that the variables of these names read in turn."""
    waiting, found = list(names), set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += names_in(variables.get(name))
    return found


def _settled(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that are known now: neither late themselves, nor with a hole in them."""
    return {name: value for name, value in variables.items() if not isinstance(value, Late) and not facts(value).holes}


def forget_files() -> None:
    """Empties the table of files read."""
    _files().clear()
