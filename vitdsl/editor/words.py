"""Which words may stand at a place of a file, each with what it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, get_args

from vitdsl.editor import places
from vitdsl.editor.grammar import Site
from vitdsl.editor.names import Names, library
from vitdsl.fields.declaration import Declaration
from vitdsl.parts.base import NONE
from vitdsl.parts.initial import Init, InitialField
from vitdsl.parts.primitives.pool import NAMES as POOLS
from vitdsl.parts.registry import class_of, is_role, roles, types_of
from vitdsl.resolve.edit import Place
from vitdsl.validate import PLACES
from vitdsl.validate.descriptions import role_text, summary
from vitdsl.validate.file_place import StagePlace
from vitdsl.validate.json_schema import families, single_class
from vitdsl.validate.json_schema_fields import field_schema
from vitdsl.validate.places import BodyPlace, FieldPlace, PartPlace


class Word(NamedTuple):
    """A value that may be written, and what it means."""

    text: str
    meaning: str = ""


OPTIONAL = ("norm", "activation")
"""Roles whose part may be `none`."""


def words(site: Site, names: Names) -> list[Word]:
    """The values that may be written at a place, without numbers and names of files."""
    found = [*_named(site, names), *(_types_at(site.owner) if site.key == "type" else ())]
    field = site.member.field if site.member is not None else None
    if field is not None:
        found += _in_schema(schema_of(field))
        found += [Word(NONE)] if site.member and site.member.model and site.key in site.member.model.absent else []
    found += _at(site.place)
    if field is None and is_role(site.key) and site.key not in OPTIONAL:
        found = [word for word in found if word.text != NONE]
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
    if single is not None and single.shorthand not in ("", "type"):
        return  # a bare value is that of a field
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
