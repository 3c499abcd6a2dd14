"""Late values and holes in the fields of parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from vitdsl.parts.fields import Refusal, explain
from vitdsl.parts.plain import UNSURE
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole


class LateList(list):
    """A list of plain values, some of them late: a late value itself."""

    def evaluate(self, env: Mapping[str, object]) -> list[object]:
        """The list with every late value put in."""
        return [settled(value, env) if isinstance(value, Late) else value for value in self]


def settled(value: Late | LateList, env: Mapping[str, object]) -> Any:
    """A late value put in; a variable that is late itself is computed where it is used.

    Raises:
        ExpressionError: it cannot be computed here.
    """
    made: Any = value.evaluate(env)
    return settled(made, env) if isinstance(made, Late) and made != value else made


def passing(value: Any, structured: bool) -> Any:
    """A value that passes since it is late, or a list since one in it is; else `UNSURE`."""
    if value.__class__ is Late:
        return value
    plain = not structured and isinstance(value, list)
    return LateList(value) if plain and any(isinstance(entry, Late) for entry in value) else UNSURE


def checked(hole: Hole, handler: Callable[[Any], Any]) -> Hole:
    """The hole, after what may be put in was validated as the value that it may become.

    Raises:
        Refusal: with the location of each alternative that does not fit.
    """
    faults = [(at, f"a hole {message}", "") for at, message in hole.malformed()]
    for at, value in [] if faults else hole.alternatives():
        try:
            handler(value)
        except (Refusal, ValidationError) as error:
            items = error.items if isinstance(error, Refusal) else explain(error)
            faults += [((*at, *loc), message, hint) for loc, message, hint in items]
    if faults:
        raise Refusal(faults)
    return hole
