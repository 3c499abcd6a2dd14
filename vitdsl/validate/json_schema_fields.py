"""JSON schema of fields and of their mappings: types, late values, holes.

A late value or a hole is allowed wherever a field is. The definitions of references are in `json_schema.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic import TypeAdapter

from vitdsl.fields.declaration import Declaration
from vitdsl.fields.types import FieldType
from vitdsl.parts.base import Fields
from vitdsl.syntax.printer import as_yaml
from vitdsl.validate.descriptions import descriptions, summary

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A reference to a definition."""
    return {"$ref": f"#/definitions/{name}"}


LATE = ref("late")


def object_schema(model: type[Fields], partial: bool = False) -> Schema:
    """The schema of the mapping of a model.

    Args:
        model: the class with the fields.
        partial: whether required fields may be absent, as in `defaults`.
    """
    properties, required, texts = {}, [], descriptions(model)
    for key, field in model.fields_by_key.items():
        properties[key] = field_schema(field)
        if key in texts:
            properties[key] = described(properties[key], texts[key])
        if field.required:
            required.append(key)
    found = mapping_schema(properties)
    found["description"] = summary(model)
    if required and not partial:
        found["required"] = required
    return found


def merged_keys(model: type[Fields]) -> Schema:
    """The properties of keys that are gone when a file is validated."""
    kinds = {"extends": "string"}
    texts = descriptions(model)
    return {key: {"type": kinds.get(key, "object"), "description": texts[key]} for key in model.merged}


def described(schema: Schema, text: str) -> Schema:
    """The schema with a description; beside a reference a description would not count."""
    return {**({"anyOf": [schema]} if "$ref" in schema else schema), "description": text}


def field_schema(field: Declaration) -> Schema:
    """The schema of one field: its type, a late value or a hole."""
    found = or_late(type_schema(field.annotation))
    simple = isinstance(field.default, (bool, int, float, str))
    return {**found, "default": field.default} if simple and "$ref" not in found else found


def or_late(schema: Schema) -> Schema:
    """The schema, or a late value, or a hole."""
    if "$ref" in schema:
        return schema if schema == LATE else {"anyOf": [schema, LATE]}
    alternatives = schema.get("anyOf", [schema])
    return {"anyOf": [*(_inside(each) for each in alternatives), LATE]}


def _inside(schema: Schema) -> Schema:
    """The schema, with late values and holes allowed in the entries of lists and mappings."""
    found = dict(schema)
    if isinstance(found.get("items"), dict):
        found["items"] = or_late(found["items"])
    if isinstance(found.get("additionalProperties"), dict):
        found["additionalProperties"] = or_late(found["additionalProperties"])
    if "properties" in found:
        found["properties"] = {
            key: value if "anyOf" in value and LATE in value["anyOf"] else or_late(value)
            for key, value in found["properties"].items()
        }
    return found


def type_schema(annotation: Any, metadata: tuple[Any, ...] = ()) -> Schema:
    """The schema of a type; nested models are written out."""
    for mark in metadata:
        if isinstance(mark, FieldType):
            return mark.json_schema(object_schema)
    origin = get_origin(annotation)
    if origin is Annotated:
        return type_schema(annotation.__origin__, (*annotation.__metadata__, *metadata))
    if not metadata and origin in (Union, UnionType):
        return {"anyOf": [each for argument in get_args(annotation) for each in _alternatives(argument)]}
    if not metadata and origin is list:
        return {"type": "array", "items": type_schema(get_args(annotation)[0], ())}
    if inspect.isclass(annotation) and issubclass(annotation, Fields):
        return object_schema(annotation)
    whole: Any = cast(Any, Annotated)[(annotation, *metadata)] if metadata else annotation
    return _renamed(TypeAdapter(whole).json_schema())


def _alternatives(annotation: Any) -> list[Schema]:
    found = type_schema(annotation)
    return found["anyOf"] if set(found) == {"anyOf"} else [found]


def _renamed(node: Any) -> Any:
    """The schema with references to our definitions, and without titles, which only repeat the keys."""
    if isinstance(node, Mapping):
        if "prefixItems" in node:  # draft-07 has no such key, and the entries of our pairs are alike
            node = {**node, "items": node["prefixItems"][0]}
            del node["prefixItems"]
        kept = {key: value for key, value in node.items() if key not in ("title", "default")}
        return {
            key: value.replace("#/$defs/", "#/definitions/") if key == "$ref" else _renamed(value)
            for key, value in kept.items()
        }
    return [_renamed(entry) for entry in node] if isinstance(node, list) else node


def mapping_schema(properties: Schema) -> Schema:
    """The schema of a mapping that has only these keys."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def type_words(schema: Mapping[str, Any]) -> str:
    """A JSON schema in words: `integer | [integer]`, `norm`, `exact | pad`."""
    if "anyOf" in schema:
        words = [type_words(each) for each in schema["anyOf"]]
        return " | ".join(dict.fromkeys(word for word in words if word and word != "null"))
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        home = name.removeprefix("body_")
        return "" if name == "late" else "body" if home == "item" else home
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "items" in schema:
        return f"[{type_words(schema['items'])}]"
    if "properties" in schema:
        return "{" + " ".join(schema["properties"]) + "}"
    kind = schema.get("type", "any")
    return " | ".join(kind) if isinstance(kind, list) else kind


def default_words(value: Any) -> str | None:
    """The default of a field as YAML, a size of two equal sides as one number; None where there is nothing to show."""
    if isinstance(value, (tuple, list)) and value:
        return as_yaml(value[0] if len(set(value)) == 1 else list(value))
    return as_yaml(value) if isinstance(value, (bool, int, float, str)) and value != "" else None
