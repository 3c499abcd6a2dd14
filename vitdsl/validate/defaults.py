"""Merges what an item says over the file's defaults, or over the expansion of a form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitdsl.fields.nothing import NONE
from vitdsl.fields.record import Part
from vitdsl.resolve.edit import merge
from vitdsl.validate.places import NO_DEFINES, WIRING_PLACE, PartPlace


def part_over_defaults(family: str, given: Mapping[str, Any], cls: type[Part], usual: Any) -> Mapping[str, Any]:
    """Merges a part over the defaults of its family. Default fields beside a `type` apply to that type only.

    Args:
        family: of the part.
        given: the part's mapping, as written.
        cls: the class of its type.
        usual: the file's defaults for the family.
    """
    if not isinstance(usual, dict):
        return given
    kind = usual.get("type")
    if kind is None:  # the fields apply to every type that has them
        usual = {key: value for key, value in usual.items() if key in cls.fields_by_key}
    elif given.get("type", kind) != kind:
        return given
    return merge(usual, given, PartPlace(family, NO_DEFINES))


def wiring_over_defaults(given: Mapping[str, Any], usual: Mapping[str, Any], norm: str | None) -> dict[str, Any]:
    """Merges the wiring of an item that is residual by default over the file's defaults.

    Args:
        given: the item's wiring, as written.
        usual: the file's defaults for wiring.
        norm: the type of `pre`, unless the item or the file sets another.
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
    """Merges the wiring of a form's own item over the item that the form expands into."""
    return merge(made, given, WIRING_PLACE) if given else made
