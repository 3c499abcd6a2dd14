"""Annotations of fields that hold parts, bodies and mappings of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from vitdsl.errors import did_you_mean, refuse
from vitdsl.fields.messages import describe
from vitdsl.fields.nothing import NONE
from vitdsl.fields.record import Fields, Part
from vitdsl.fields.types import FieldType

Schema = dict[str, Any]


def no_scalar(value: Any, wanted: str) -> Any:
    """The value, unless it is a number or a truth."""
    if isinstance(value, (bool, int, float)):
        refuse(f"must be {wanted}, but is {describe(value)}", code="E203")
    return value


class PartField(FieldType):
    """Annotation of a field that holds a part of one family, or nothing."""

    structured = True

    def __init__(self, family: str) -> None:
        self.family = family

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Refers to the family's definition, which `vitdsl.validate.json_schema` writes."""
        return {"$ref": f"#/definitions/{self.family}"}

    def read(self, value: Any, reader: Any) -> Any:
        """Dispatches by name among the installed parts of the family; locations of errors stay those of the file."""
        if value is None or (isinstance(value, str) and value == NONE):
            return None
        if not isinstance(value, (str, dict)) and isinstance(value, Part):
            return value
        return reader.part(self.family, value)


class BodyField(FieldType):
    """Annotation of a field that holds a body; `home` is the family of a bare part in it."""

    structured = True

    def __init__(self, home: str = "item") -> None:
        self.home = home

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Refers to the definition of a body with this home, which `vitdsl.validate.json_schema` writes."""
        return {"$ref": f"#/definitions/body_{self.home}"}

    def read(self, value: Any, reader: Any) -> Any:
        """Hands the value to the reader of the file."""
        if value is None or value == NONE or not isinstance(value, (str, dict, list)):
            return None if value == NONE else no_scalar(value, "a body")
        return reader.body(value, self.home)


class Reads(FieldType):
    """Annotation of a field that a function reads: it gets the value and the reader, and gives the field's value.

    What else is given are attributes of `FieldType`: what may stand in the field, and what a short form stands for.
    """

    structured = True

    def __init__(self, read: Callable[[Any, Any], Any], schema: Schema | Callable[[Any], Schema], **holds: Any) -> None:
        self.read = read  # type: ignore[method-assign]
        self.schema: Callable[[Any], Schema] = (lambda _: schema) if isinstance(schema, dict) else schema
        vars(self).update(holds)

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """What was given, or what the function that was given makes of `of`."""
        return self.schema(of)


class Nested(FieldType):
    """Annotation of a field that holds a mapping of its own kind, in which values may be late."""

    structured = True

    def __init__(self, model: type[Fields]) -> None:
        self.model = model

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The mapping's own."""
        return of(self.model)

    def read(self, value: Any, reader: Any) -> Any:
        """Reads the mapping."""
        return value if value is None or isinstance(value, self.model) else self.model.read(value, reader)


class KindField(FieldType):
    """Annotation of a field that holds one of several kinds of mappings: by `type`, or by the bare name of one."""

    structured = True
    short = "type"

    def __init__(self, kinds: Mapping[str, type[Fields]], what: str) -> None:
        self.kinds, self.what = kinds, what

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The name of a kind, or a mapping with that type and its fields; without a type, the fields of all.

        A file that extends another need not repeat the type.
        """
        steps = [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": of(kind)}
            for name, kind in self.kinds.items()
        ]
        names = {"enum": list(self.kinds), "description": f"Which {self.what}."}
        known = [each["properties"] for each in (step["then"] for step in steps)]
        fields = {
            key: {"description": text}
            for each in known
            for key, entry in each.items()
            if (text := entry.get("description"))
        }
        untyped = {"if": {"not": {"required": ["type"]}}, "then": {"properties": fields, "additionalProperties": False}}
        return {"anyOf": [names, {"type": "object", "properties": {"type": names}, "allOf": [*steps, untyped]}]}

    def read(self, value: Any, reader: Any) -> Any:
        """The kind that is named, with its fields."""
        if isinstance(value, Fields):
            return value
        raw = {"type": value} if isinstance(value, str) else value
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
            message = f"a {self.what} is a name, or a mapping with `type`, but this is {describe(value)}"
            refuse(message, f"known: {', '.join(self.kinds)}", code="E203")
        if raw["type"] not in self.kinds:
            at = () if isinstance(value, str) else ("type",)
            refuse(f"there is no {self.what} `{raw['type']}`", did_you_mean(raw["type"], self.kinds), at, "E206")
        return self.kinds[raw["type"]].read(raw, reader)


class FieldsOr(FieldType):
    """Annotation of a field that holds either a mapping of its own kind, or a part of a family, or a body."""

    structured = True

    def __init__(self, model: type[Fields], family: str = "", home: str = "") -> None:
        self.model, self.family, self.home = model, family, home

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Either of the two."""
        other = {"$ref": f"#/definitions/{self.family or 'body_' + self.home}"}
        return {"anyOf": [of(self.model), other]}

    def read(self, value: Any, reader: Any) -> Any:
        """A mapping with keys of the model alone is the model; everything else the part or body."""
        if isinstance(value, dict) and value.keys() <= self.model.fields_by_key.keys():
            return self.model.read(value, reader)
        if value is None or value == NONE or not isinstance(value, (str, dict, list)):
            return None if value == NONE else no_scalar(value, f"a {self.family}" if self.family else "a body")
        return reader.part(self.family, value) if self.family else reader.body(value, self.home)


Norm = Annotated[Any, PartField("norm")]
Activation = Annotated[Any, PartField("activation")]
Items = Annotated[Any, BodyField()]
NormBody = Annotated[Any, BodyField("norm")]
