"""Which keys may stand at a place of a file, each with what it means; and the way from the root to a place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, singledispatch
from typing import Any, NamedTuple

from vitdsl.editor import places
from vitdsl.editor.names import Names
from vitdsl.editor.nodes import Path
from vitdsl.fields.declaration import Declaration
from vitdsl.parts.base import Fields
from vitdsl.parts.initial import Init, InitialField
from vitdsl.parts.registry import COMPOSITE, class_of, family, roles
from vitdsl.resolve.edit import ANYTHING, Place, Root
from vitdsl.syntax.tree import Map
from vitdsl.validate import DEFAULT_WIRING, FILE, INIT_FAMILIES, Model, Stage, Wiring
from vitdsl.validate.descriptions import BODIES, DEFINE, HOLE, descriptions, role_text
from vitdsl.validate.file_place import DefaultsPlace, DefinePlace, HeadPlace, StagePlace
from vitdsl.validate.head import Head, is_head
from vitdsl.validate.json_schema import families, single_class
from vitdsl.validate.places import BodyPlace, FieldPlace, PartPlace, is_part, roles_of


class Member(NamedTuple):
    """A key that may stand in a mapping.

    Attributes:
        text: what it means.
        field: what it holds, where it is a field.
        model: the class that has the field.
    """

    text: str
    field: Declaration | None = None
    model: type[Fields] | None = None


Members = dict[str, Member]


# ---------------------------------------------------------------- keys


@singledispatch
def members(place: Place, value: Mapping[str, Any], names: Names) -> Members:
    """The keys that may stand in a mapping, those that are there included.

    Each may be added to the mapping, and the reader knows it then as a key. There are none where any name may stand.

    Args:
        place: of the mapping.
        value: the mapping, as a plain value.
        names: of the file.
    """
    return {}


@cache
def of_model(model: type[Fields]) -> Members:
    """The keys of a class of fields."""
    texts = descriptions(model)
    merged = {key: Member(texts.get(key, ""), None, model) for key in model.merged}
    return merged | {key: Member(texts.get(key, ""), field, model) for key, field in model.fields_by_key.items()}


def _texts(texts: Mapping[str, str]) -> Members:
    return {key: Member(text) for key, text in texts.items()}


@members.register
def _(place: Root, value: Mapping[str, Any], names: Names) -> Members:
    if place is FILE:
        return of_model(Model)
    from vitdsl.training.recipe import RecipeFile

    return of_model(RecipeFile)


@members.register
def _(place: places.ModelPlace, value: Mapping[str, Any], names: Names) -> Members:
    return of_model(place.model)


@members.register
def _(place: places.KindPlace, value: Mapping[str, Any], names: Names) -> Members:
    model = place.kind(value)
    return {"type": Member(f"Which {place.what}.")} | (of_model(model) if model is not None else {})


@members.register
def _(place: places.InitPlace, value: Mapping[str, Any], names: Names) -> Members:
    return {name: Member(f"Initial values of every {name}.") for name in INIT_FAMILIES}


@members.register
def _(place: places.HolePlace, value: Mapping[str, Any], names: Names) -> Members:
    return _texts(HOLE)


@members.register
def _(place: DefaultsPlace, value: Mapping[str, Any], names: Names) -> Members:
    wiring = of_model(Wiring)
    usual = {name: Member(f"The type of every {name} without one, or fields of all of them.") for name in families()}
    return usual | {key: wiring[key] for key in DEFAULT_WIRING}


@members.register
def _(place: DefinePlace, value: Mapping[str, Any], names: Names) -> Members:
    other = {"body": "stage", "stage": "body"}
    return {key: Member(text) for key, text in DEFINE.items() if other.get(key) not in value}


@members.register
def _(place: StagePlace, value: Mapping[str, Any], names: Names) -> Members:
    use = {"use": Member(BODIES["use"])}
    if "use" in value:
        return use | _arguments(value, names)
    return of_model(Stage) | ({} if value else use)


@members.register
def _(place: HeadPlace, value: Mapping[str, Any], names: Names) -> Members:
    return of_model(Head) if is_head(value) else members(BodyPlace("item", place.defines), value, names)


@members.register
def _(place: FieldPlace, value: Mapping[str, Any], names: Names) -> Members:
    model = Init if isinstance(place.field, InitialField) else place.field.model
    own = of_model(model) if model is not None else {}
    if place.other is ANYTHING:
        return own
    other = members(place.other, value, names)
    if not value:
        return other | own
    return own if own and place.own(value) else other


@members.register
def _(place: PartPlace, value: Mapping[str, Any], names: Names) -> Members:
    kind = value.get("type") or names.default_type(place.family)
    cls = single_class(place.family) or (class_of(place.family, kind) if isinstance(kind, str) else None)
    return of_model(cls) if cls is not None else {"type": Member(f"Which {place.family}.")}


@members.register
def _(place: places.UsualPlace, value: Mapping[str, Any], names: Names) -> Members:
    if isinstance(value.get("type"), str) or single_class(place.family) is not None:
        return members.dispatch(PartPlace)(place, value, names)
    found: Members = {}
    for cls in family(place.family).values():
        found = of_model(cls) | found
    return found | {"type": Member(f"Which {place.family}.")}


@members.register
def _(place: BodyPlace, value: Mapping[str, Any], names: Names) -> Members:
    part = PartPlace(place.home, place.defines)
    if place.home != "item" and "type" in value and is_part(value, place.home):
        return members(part, value, names)
    typed = {"type": Member(f"Which {place.home}.")} if place.home != "item" and not value else {}
    found = roles_of(value)
    wiring = of_model(Wiring)
    if "use" in found:
        return wiring | {"use": Member(BODIES["use"])} | _arguments(value, names)
    return typed | {name: Member(role_text(name)) for name in found or (*roles(), *COMPOSITE)} | wiring


def _arguments(value: Mapping[str, Any], names: Names) -> Members:
    """The arguments of the define that a mapping uses."""
    return {name: Member("An argument of the define.") for name in names.arguments(value.get("use"))}


# ---------------------------------------------------------------- from the root to a place


class Site(NamedTuple):
    """Where a path leads.

    Attributes:
        place: what may stand there.
        value: what stands there, as a plain value.
        member: of the nearest key above, what it means.
        key: the nearest key above.
        owner: the place of the mapping that has this key.
    """

    place: Place
    value: Any
    member: Member | None = None
    key: str = ""
    owner: Place = ANYTHING


def keys_at(site: Site, names: Names) -> tuple[Members, Map]:
    """The keys that may stand in the mapping at a place, and the mapping; `members` says more."""
    place = places.HolePlace(site.place) if places.is_hole(site.value) else site.place
    mapping = as_mapping(place, site.value)
    return members(place, mapping, names), mapping


def lead(root: Place, value: Any, path: Path, names: Names) -> Site:
    """Where a path leads, from the root of a file."""
    site = Site(root, value)
    for segment in path:
        site = _step(site, segment, names)
    return site


def _step(site: Site, segment: str | int, names: Names) -> Site:
    place, value = site.place, site.value
    if places.is_hole(value):
        place = places.HolePlace(place)
    if isinstance(segment, int):
        if not isinstance(value, list):
            return site
        inner = value[segment] if segment < len(value) else None
        return site._replace(place=places.entry(place), value=inner)
    mapping = as_mapping(place, value)
    member = members(place, mapping, names).get(segment)
    there = places.below(place, segment, mapping, member.field if member else None)
    return Site(there, mapping.get(segment), member, segment, place)


def as_mapping(place: Place, value: Any) -> Map:
    """The mapping at a place, a short form written out; an empty one where there is none."""
    long = value if isinstance(value, dict) or value is None else place.long(value)
    return long if isinstance(long, Map) else Map(long) if isinstance(long, dict) else Map()
