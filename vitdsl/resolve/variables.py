"""Substitutes the variables of a file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vitdsl.errors import Mark, Problem, SpecError, one_of
from vitdsl.resolve.substitute import fold
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole, malformed_below
from vitdsl.syntax.limits import READINGS, VALUES, size_of
from vitdsl.syntax.locate import problem
from vitdsl.syntax.names import variable_fault
from vitdsl.syntax.paths import format_path
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import Map


def substitute_variables(tree: Map) -> Map:
    """The tree with its variables substituted; `vars` keeps only variables that a late value still names."""
    if "vars" not in tree:
        return tree
    variables, env = _variables(tree)
    problems: list[Problem] = []
    made = tree.copy()
    raw = made.pop("vars")
    at_vars = made.marks.pop("vars", None)
    for key, value in made.items():
        if key == "define":
            made[key] = _fold_define(value, env, problems)
        else:
            made[key] = fold(value, env, (key,), problems, tree.marks.get(key, (None, None))[1])
    if problems:
        raise SpecError(problems)
    _check_size(tree, made, env)
    wanted = names_reached(facts(made).names, variables)
    # an unused variable with an invalid hole is kept: the hole is reported with all others of the file
    left = {name: value for name, value in variables.items() if name in wanted or _wrong_holes(value)}
    if left:
        made = made.copy()  # a copy has no summary yet: that of `made` lacks `vars`
        kept = made["vars"] = Map(left)
        kept.pos, kept.marks = raw.pos, raw.marks
        if at_vars:
            made.marks["vars"] = at_vars
    made.variables = tuple(variables)
    return made


def _wrong_holes(value: Any) -> bool:
    return facts(value).holes and any(malformed_below(value))


def _fold_define(defines: Any, env: dict[str, Any], problems: list[Problem]) -> Any:
    """The defines with the variables substituted, except variables that an argument of the define hides."""
    if not isinstance(defines, Map) or env.keys().isdisjoint(facts(defines).names):
        return defines
    made = defines.copy()
    for name, entry in defines.items():
        inner = env
        if isinstance(entry, Map):
            args, optional = entry.get("args"), entry.get("optional")
            taken = {a for a in args if isinstance(a, str)} if isinstance(args, list) else set()
            taken.update(optional if isinstance(optional, dict) else ())
            inner = {key: value for key, value in env.items() if key not in taken}
        made[name] = fold(entry, inner, ("define", name), problems, defines.marks.get(name, (None, None))[1])
    return made


def _variables(tree: Map) -> tuple[dict[str, Any], dict[str, Any]]:
    """All variables, with the variables that they name substituted; and those whose value is known."""
    raw = tree["vars"]
    where = tree.marks.get("vars", (None, None))[1]
    if not isinstance(raw, Map):
        raise SpecError(Problem("`vars` must be a mapping of names to values", "vars", where, code="E203"))
    _check_names(raw, where)
    known: dict[str, Any] = {name: value for name, value in raw.items() if not facts(value).late}
    done = known.copy()
    late = {name: value for name, value in raw.items() if name not in known}
    readings: dict[str | int, int] = {}
    for name in _in_order(late):
        problems: list[Problem] = []
        value = done[name] = fold(late[name], known, ("vars", name), problems, raw.marks.get(name, (None, None))[1])
        if problems:
            raise SpecError(problems)
        if not isinstance(value, Late) and not facts(value).holes:
            known[name] = value
        readings[name] = _readings(value, readings) if facts(value).late else 0
        if READINGS.exceeds(readings[name]):
            raise SpecError(problem(tree, ("vars", name), *READINGS.fault(readings[name]), "E504"))
    if len(done) < len(raw):
        circle = one_of(f"`{name}`" for name in raw.keys() - done.keys())
        first = next(name for name in raw if name not in done)
        message = f"the variables {circle} are made of one another"
        raise SpecError(Problem(message, f"vars.{first}", raw.marks.get(first, (where, where))[0], code="E213"))
    return done, known


def _in_order(late: Mapping[str, Any]) -> Iterator[str]:
    """The names of late variables in topological order: each after those that it reads. Circles are left out."""
    waiting: dict[str, int] = {}
    readers: dict[str, list[str]] = {}
    for name, value in late.items():
        others = facts(value).names & late.keys()
        waiting[name] = len(others)
        for other in others:
            readers.setdefault(other, []).append(name)
    ready = [name for name, count in waiting.items() if not count]
    for name in ready:  # the loop adds to it
        yield name
        for reader in readers.get(name, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)


def _readings(value: Any, known: dict[str | int, int]) -> int:
    """The number of evaluations of late variables that a value causes: each variable evaluates those that it reads.

    Args:
        value: of a variable.
        known: the numbers of the variables that it reads, by name. Numbers of trees are added, by identity: one tree
            may be in many places, if each variable holds another one twice.
    """
    if isinstance(value, Late):
        words = Counter(re.findall(r"\w+", value.text))
        return 1 + sum(words[name] * known.get(name, 0) for name in value.names)
    if isinstance(value, Hole):
        value = value.raw
    if id(value) not in known:
        entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        known[id(value)] = sum(_readings(entry, known) for entry in entries if facts(entry).late)
    return known[id(value)]


def _check_size(tree: Map, made: Map, env: Mapping[str, Any]) -> None:
    """Refuses a file that is too large after substitution: variables that name others twice grow exponentially."""
    if any(isinstance(value, (dict, list)) for value in env.values()) and VALUES.exceeds(found := size_of(made)):
        largest = max(env, key=lambda name: size_of(env[name]))
        message, hint = VALUES.fault(found)
        raise SpecError(problem(tree, ("vars", largest), message, hint, "E504"))


def _check_names(raw: Map, where: Mark | None) -> None:
    wrong = [
        Problem(
            f"a variable {fault}",
            format_path(("vars", name)),
            raw.marks.get(name, (where, where))[0],
            code="E208",
        )
        for name in raw
        if (fault := variable_fault(name))
    ]
    if wrong:
        raise SpecError(wrong)


def names_reached(names: Iterable[str], variables: Mapping[str, Any]) -> set[str]:
    """These names, and all names that the variables of these names read, directly or through others."""
    waiting, found = list(names), set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += facts(variables.get(name)).names
    return found
