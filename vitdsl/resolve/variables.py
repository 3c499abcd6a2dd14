"""Variables of a file, put in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vitdsl.errors import Mark, Problem, SpecError
from vitdsl.resolve.substitute import fold, names_in
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import malformed_below
from vitdsl.syntax.names import variable_fault
from vitdsl.syntax.paths import format_path
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import Map


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
    # a variable that nobody names is kept where it has a wrong hole, which is judged with all others of the file
    left = {name: value for name, value in variables.items() if name in wanted or _wrong_holes(value)}
    if left:
        kept = made["vars"] = Map(left)
        kept.pos, kept.marks = tree["vars"].pos, tree["vars"].marks
        if "vars" in tree.marks:
            made.marks["vars"] = tree.marks["vars"]
    return made


def _wrong_holes(value: Any) -> bool:
    return facts(value).holes and any(malformed_below(value))


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
    _check_names(raw, where)
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


def _check_names(raw: Map, where: Mark | None) -> None:
    wrong = [
        Problem(
            f"a variable {fault}",
            format_path(("vars", name)),
            raw.marks.get(name, (where, where))[0],
        )
        for name in raw
        if (fault := variable_fault(name))
    ]
    if wrong:
        raise SpecError(wrong)


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
