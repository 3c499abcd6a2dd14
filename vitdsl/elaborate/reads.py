"""What late values read besides features: the part of a memo's key that names variables, arguments and indexes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vitdsl.elaborate.known import Held
from vitdsl.errors import ExpressionError
from vitdsl.parts.base import Fields, LateList
from vitdsl.syntax.content import content
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.summary import PLAIN, facts
from vitdsl.validate import FEATURES, Body, SpecReader, elsewhere, seen

Key = frozenset[tuple[str, Any]]
UNKNOWN: Any = object()
NOTHING: Key = frozenset()
NO_LATES: frozenset[Late] = frozenset()
_of_objects: dict[Held, frozenset[Late]] = {}
MAX_OBJECTS = 20_000


def forget() -> None:
    """Empties the memo of what validated objects read."""
    _of_objects.clear()


def read_by(
    lates: Iterable[Late], variables: Mapping[str, Any], env: Mapping[str, Any], reader: SpecReader
) -> tuple[Key, bool]:
    """What late values read, as a key, and whether an `index` is among it.

    Where a value is known before any feature, it stands for its expression, so that two repetitions or two candidates
    in which it is the same are alike. Otherwise each name that it reads counts, and what these values read in turn.

    Args:
        lates: as seen from the place to which `env` belongs.
        variables: of the file.
        env: arguments and indexes.
        reader: knows what defines read.
    """
    key: dict[str, Any] = {}
    waiting, by_index = list(lates), False
    while waiting:
        late = waiting.pop()
        if late.text in key:
            continue
        by_index = by_index or "index" in late.names
        value = _known(late, variables, env)
        if value is not UNKNOWN:
            kind = value.__class__
            if kind in PLAIN:
                key[late.text] = (kind, value)
            else:
                key[late.text] = content(value)
                waiting += in_value(value, reader)
            continue
        key[late.text] = None
        for name in late.names:
            if name not in key:
                found = [space[name] for space in (variables, env) if name in space]
                key[name] = (name in env, *[content(value) for value in found])
                for value in found:
                    if value.__class__ not in PLAIN:
                        waiting += in_value(value, reader)
    return frozenset(key.items()), by_index


def said(env: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """All of some arguments, as a key."""
    return tuple([(name, content(value)) for name, value in sorted(env.items())])


def _known(late: Late, variables: Mapping[str, Any], env: Mapping[str, Any]) -> Any:
    """The value of a late value that reads no feature, or `UNKNOWN`; a name of two meanings has no single value."""
    space: dict[str, Any] = {}
    for name in late.names:
        if (name in variables) == (name in env):
            return UNKNOWN
        space[name] = variables[name] if name in variables else env[name]
    try:
        return late.evaluate(space)
    except ExpressionError:
        return UNKNOWN


def in_value(value: Any, reader: SpecReader) -> frozenset[Late]:
    """What a value reads, wherever it is put in: a body or a part that is an argument or a variable."""
    if isinstance(value, Late):
        return elsewhere([value])
    own = facts(value)
    if not (own.names or own.uses or own.rates):
        return NO_LATES
    return reader._once("reads", "", value, lambda: elsewhere(seen(value, reader)))


def in_object(made: Any) -> frozenset[Late]:
    """Late values in what was validated that depend on more than features: a stage, a head, or one of their parts."""
    if isinstance(made, Body):
        return made.lates
    if isinstance(made, Late):
        return NO_LATES if made.names <= FEATURES else frozenset([made])
    if isinstance(made, Fields):
        held = Held(made)
        found = _of_objects.get(held)
        if found is None:
            if len(_of_objects) >= MAX_OBJECTS:
                forget()
            found = _of_objects[held] = in_object(list(made.__dict__.values()))
        return found
    if isinstance(made, dict):
        made = list(made.values())
    if isinstance(made, (list, tuple, LateList)):
        return NO_LATES.union(*[in_object(value) for value in made if value.__class__ not in PLAIN])
    return NO_LATES
