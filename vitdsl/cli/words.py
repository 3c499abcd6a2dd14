"""Values, and the types of fields, as one line of text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def as_yaml(value: Any) -> str:
    """A plain value in YAML's flow style, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {as_yaml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(as_yaml(entry) for entry in value) + "]"
    if isinstance(value, str):
        from vitdsl.syntax.printer import dump_tree

        return dump_tree([value]).strip().removeprefix("- ")
    return repr(value) if isinstance(value, float) else json.dumps(value)


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
