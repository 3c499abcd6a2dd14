"""Which keys and which values may stand at a place of a file, each with what it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, singledispatch
from typing import Any, NamedTuple, get_args

from vitdsl.editor import places
from vitdsl.editor.names import Names, library
from vitdsl.editor.nodes import Path
from vitdsl.fields.declaration import Declaration
from vitdsl.parts.base import NONE, Fields
from vitdsl.parts.initial import Init, InitialField
from vitdsl.parts.primitives.pool import NAMES as POOLS
from vitdsl.parts.registry import COMPOSITE, class_of, family, roles, types_of
from vitdsl.resolve.edit import ANYTHING, Place, Root
from vitdsl.syntax.tree import Map
from vitdsl.validate import DEFAULT_WIRING, FILE, INIT_FAMILIES, PLACES, Model, Stage, Wiring
from vitdsl.validate.descriptions import BODIES, DEFINE, HOLE, descriptions, role_text, summary
from vitdsl.validate.file_place import DefaultsPlace, DefinePlace, HeadPlace, StagePlace
from vitdsl.validate.head import Head, is_head
from vitdsl.validate.json_schema import families, single_class
from vitdsl.validate.json_schema_fields import field_schema
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


class Word(NamedTuple):
    """A value that may be written, and what it means."""

    text: str
    meaning: str = ""


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


# ---------------------------------------------------------------- values


def words(site: Site, names: Names) -> list[Word]:
    """The values that may be written at a place, without numbers and names of files."""
    found = [*_named(site, names), *(_types_at(site.owner) if site.key == "type" else ())]
    field = site.member.field if site.member is not None else None
    if field is not None:
        found += _in_schema(schema_of(field))
        found += [Word(NONE)] if site.member and site.member.model and site.key in site.member.model.absent else []
    found += _at(site.place)
    return list({word.text: word for word in reversed(found)}.values())[::-1]


@cache
def schema_of(field: Declaration) -> dict[str, Any]:
    """The JSON schema of a field, which takes longer to make than an answer may."""
    return field_schema(field)


def _types_at(owner: Place) -> Iterator[Word]:
    """The types of a mapping with `type`."""
    if isinstance(owner, places.KindPlace):
        yield from map(Word, owner.names)
    elif isinstance(owner, FieldPlace):
        yield from _types_at(owner.other)
    elif isinstance(owner, (PartPlace, BodyPlace)):
        name = owner.family if isinstance(owner, PartPlace) else owner.home
        yield from (word for word in of_family(name) if word.text != NONE and name in families())


def _at(place: Place) -> Iterator[Word]:
    if isinstance(place, places.KindPlace):
        yield from (Word(name) for name in place.names)
    elif isinstance(place, PartPlace):
        yield from of_family(place.family)
    elif isinstance(place, BodyPlace):
        yield from of_body(place.home)
    elif isinstance(place, FieldPlace):
        if isinstance(place.field, InitialField):
            yield from map(Word, Init.names)
        yield from _at(place.other)


def _in_schema(schema: Mapping[str, Any]) -> Iterator[Word]:
    """The words that a JSON schema names: its enumerations, truths, and types of the families that it refers to."""
    for each in (*schema.get("anyOf", ()), *([schema["items"]] if isinstance(schema.get("items"), dict) else ())):
        yield from _in_schema(each)
    values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
    yield from (Word(value) for value in values if isinstance(value, str))
    if schema.get("type") == "boolean":
        yield from (Word("true"), Word("false"))
    name = schema.get("$ref", "").rpartition("/")[2]
    if name.startswith("body_"):
        yield from of_body(name.removeprefix("body_"))
    elif name in families():
        yield from of_family(name)


def of_family(name: str) -> Iterator[Word]:
    """The types of a family."""
    single = single_class(name)
    kinds = get_args(single.fields["type"].annotation) if single is not None else types_of(name)
    for kind in kinds:
        cls = class_of(name, str(kind))
        yield Word(str(kind), summary(cls) if cls is not None else "")
    yield Word(NONE, f"No {name}.")


def of_body(home: str) -> Iterator[Word]:
    """The bare words of a body."""
    if home == "names":
        return
    if home != "item":
        yield from of_family(home)
    yield from (Word(name, role_text(name)) for name in roles())


def _named(site: Site, names: Names) -> Iterable[Word]:
    """Words that the file itself gives a meaning."""
    key = site.key
    if key == "use":
        return _defines(names, isinstance(site.owner, StagePlace))
    if key in ("from", "at", "keys"):
        streams = [Word(name, "A stream.") for name in ("image", *names.streams)]
        return [*streams, *_tokens(names), *map(Word, PLACES), *([Word("self")] if key == "keys" else [])]
    of_pool = isinstance(site.place, PartPlace) and site.place.family == "pool"
    if key == "pool" or of_pool or (key in ("type", "over") and _is_pool(site)):
        return [*map(Word, POOLS if key != "over" else ("grid", "all")), *_tokens(names)]
    if key == "training":
        return [Word(name, "An output.") for name in names.outputs]
    return []


def _is_pool(site: Site) -> bool:
    model = site.member.model if site.member is not None else None
    return model is not None and getattr(model, "family", "") == "pool"


def _tokens(names: Names) -> list[Word]:
    return [Word(name, "A token.") for name in names.tokens]


def _defines(names: Names, stages: bool) -> list[Word]:
    kind = "stage" if stages else "body"
    own = [Word(name, f"A {kind}.") for name, each in names.defines.items() if each.value.get(kind) is not None]
    return own if stages else [*own, *(Word(name) for name in library())]
