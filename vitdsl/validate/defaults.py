"""What an item says, laid over what it takes over: the file's defaults, or the item that a form expands into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitdsl.fields.nothing import NONE
from vitdsl.fields.record import Part
from vitdsl.resolve.edit import merge
from vitdsl.validate.places import NO_DEFINES, WIRING_PLACE, PartPlace


def part_over_defaults(family: str, given: Mapping[str, Any], cls: type[Part], usual: Any) -> Mapping[str, Any]:
    """A part's mapping over the defaults of its family; fields beside a `type` there are of that type alone.

    Args:
        family: of the part.
        given: as written.
        cls: of its type.
        usual: the file's defaults for the family.
    """
    if not isinstance(usual, dict):
        return given
    kind = usual.get("type")
    if kind is None:  # of every type that has such a field
        usual = {key: value for key, value in usual.items() if key in cls.fields_by_key}
    elif given.get("type", kind) != kind:
        return given
    return merge(usual, given, PartPlace(family, NO_DEFINES))


def wiring_over_defaults(given: Mapping[str, Any], usual: Mapping[str, Any], norm: str | None) -> dict[str, Any]:
    """The wiring of what is residual by nature, over the file's defaults.

    Args:
        given: as written.
        usual: the file's defaults for wiring.
        norm: the type of the norm before it, where nothing says another.
    """
    full = dict(merge(usual, given, WIRING_PLACE))
    full.setdefault("residual", True)
    residual = given.get("residual")
    if residual is False or (isinstance(residual, str) and residual == NONE):
        if "pre" not in given:
            full.pop("pre", None)
    elif "pre" not in full:
        full["pre"] = norm
    return full


def wiring_over_expansion(made: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The item that a form expands into, with the wiring of the form's own item over it."""
    return merge(made, given, WIRING_PLACE) if given else made
