"""Late values and holes in the fields of parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from vitdsl.errors import Refusal
from vitdsl.fields.messages import explain
from vitdsl.fields.readers import UNSURE
from vitdsl.syntax.expressions import Late, LateList
from vitdsl.syntax.holes import Hole


def passing(value: Any, structured: bool) -> Any:
    """A value that passes since it is late, or a list since one in it is; else `UNSURE`."""
    if value.__class__ is Late:
        return value
    plain = not structured and isinstance(value, list)
    return LateList(value) if plain and any(isinstance(entry, Late) for entry in value) else UNSURE


def checked(hole: Hole, handler: Callable[[Any], Any]) -> Hole:
    """The hole, after what may be put in was validated as the value that it may become.

    What is wrong with the hole itself is said once for the whole file (`malformed_below`), wherever holes stand.

    Raises:
        Refusal: with the location of each alternative that does not fit.
    """
    faults = []
    for at, value in [] if hole.malformed() else hole.alternatives():
        try:
            checked(value, handler) if isinstance(value, Hole) else handler(value)
        except (Refusal, ValidationError) as error:
            items = error.items if isinstance(error, Refusal) else explain(error)
            faults += [((*at, *loc), message, hint) for loc, message, hint in items]
    if faults:
        raise Refusal(faults)
    return hole
