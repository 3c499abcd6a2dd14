"""The places of a file that merging does not tell apart, for editors, and the way from the root of a file to a place.

What stands where is said by the places of `validate`; what follows here are mappings of which a merge knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vitdsl.fields.declaration import Declaration
from vitdsl.fields.marks import KindField
from vitdsl.parts.base import Fields
from vitdsl.parts.initial import InitialField
from vitdsl.resolve.edit import ANYTHING, Place, Root
from vitdsl.syntax.holes import KEYS as HOLE_KEYS
from vitdsl.syntax.tree import Map
from vitdsl.validate import DEFAULT_WIRING, FILE
from vitdsl.validate.file_place import DefaultsPlace, DefinePlace
from vitdsl.validate.places import NO_DEFINES, FieldPlace, PartPlace, field_place


class ModelPlace(Place):
    """A mapping of a class of fields."""

    def __init__(self, model: type[Fields]) -> None:
        self.model = model

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a field."""
        return field_place(self.model, key, NO_DEFINES)


class KindPlace(Place):
    """One of several kinds of mappings, by `type`.

    Args:
        what: is of several kinds.
        names: of the kinds.
        model: gives the class of a kind, or None.
    """

    def __init__(self, what: str, names: Sequence[str], model: Callable[[str], type[Fields] | None]) -> None:
        self.what, self.names, self.model = what, names, model

    def kind(self, value: Mapping[str, Any]) -> type[Fields] | None:
        """The class of a mapping's type, or None."""
        name = value.get("type")
        return self.model(name) if isinstance(name, str) and name in self.names else None

    def long(self, value: Any) -> Any:
        """A bare name is a type."""
        return Map(type=value) if isinstance(value, str) else value

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a field of the kind."""
        model = self.kind(over)
        return ANYTHING if model is None else field_place(model, key, NO_DEFINES)


class ListPlace(Place):
    """A list whose entries have one place."""

    def __init__(self, each: Place) -> None:
        self.each = each

    def entry(self) -> Place:
        """The place of each entry."""
        return self.each


class InitPlace(Place):
    """`init` of a file: initial values by family."""

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """Initial values."""
        return FieldPlace(InitialField(), NO_DEFINES)


class UsualPlace(PartPlace):
    """Defaults of a family: fields of any of its types."""


class HolePlace(Place):
    """An open decision, whose alternatives have the place of the decision."""

    def __init__(self, inner: Place) -> None:
        self.inner = inner

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a key of the decision."""
        if key == "choose":
            return AlternativesPlace(self.inner)
        return self.inner if key == "else" else ANYTHING


class AlternativesPlace(Place):
    """The alternatives of a decision: a list, or a mapping of names."""

    def __init__(self, inner: Place) -> None:
        self.inner = inner

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """An alternative."""
        return self.inner

    def entry(self) -> Place:
        """An alternative."""
        return self.inner


def root_of(kind: str, defines: Mapping[str, Any]) -> Place:
    """The place of a whole file of a kind."""
    if kind == "recipe":
        return root_place(kind)
    if kind == "search":
        from vitdsl.search.file import SearchFile

        return ModelPlace(SearchFile)
    return DefinePlace(defines) if kind == "define" else FILE


def root_place(kind: str) -> Root:
    """What is asked where a file is that one of a kind extends."""
    if kind != "recipe":
        return FILE
    from vitdsl.training.recipe import RECIPE

    return RECIPE


def is_hole(value: Any) -> bool:
    """Whether a mapping is an open decision."""
    return isinstance(value, Mapping) and ("choose" in value or "range" in value) and value.keys() <= HOLE_KEYS


def specific(place: Place) -> Place:
    """The place with all that an editor tells apart in it."""
    field = place.field if isinstance(place, FieldPlace) else None
    if isinstance(field, KindField):
        return KindPlace(field.what, list(field.kinds), field.kinds.get)
    return place


def of_declaration(field: Declaration | None) -> Place:
    """The place of a field that merging replaces as a whole."""
    if field is None:
        return ANYTHING
    if isinstance(field.annotation, type) and issubclass(field.annotation, Fields):
        return ModelPlace(field.annotation)
    return ANYTHING


def of_search(key: str) -> Place | None:
    """The place of a key of a search that merging knows nothing of."""
    if key == "space":
        return FILE
    if key == "rungs":
        from vitdsl.search.evaluation.registry import evaluation_class, files

        return ListPlace(KindPlace("evaluation", list(files()), evaluation_class))
    return None


def own_place(place: Place, key: str) -> Place | None:
    """The place of a key where merging knows less of it than an editor should; else None."""
    if place is FILE and key == "init":
        return InitPlace()
    if isinstance(place, DefaultsPlace) and key not in DEFAULT_WIRING:
        return UsualPlace(key, place.defines)
    return of_search(key) if isinstance(place, ModelPlace) and place.model.__name__ == "SearchFile" else None


def below(place: Place, key: str, value: Map, field: Declaration | None) -> Place:
    """The place of a key of a mapping.

    Args:
        place: of the mapping.
        key: the key.
        value: the mapping, as a plain value.
        field: what the key holds, where that is a field.
    """
    found = own_place(place, key)
    if found is None:
        found = specific(place.below(key, value, value))
    return of_declaration(field) if found is ANYTHING else found


def entry(place: Place) -> Place:
    """The place of each entry of a list."""
    return specific(place.entry())
