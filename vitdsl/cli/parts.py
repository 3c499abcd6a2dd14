"""What `vitdsl list --parts` prints: every part that a spec can name, with its fields."""

from __future__ import annotations

from typing import Any

import typer

from vitdsl.cli.words import as_yaml, type_words
from vitdsl.parts.base import Form, Part, Primitive
from vitdsl.parts.registry import family, is_role
from vitdsl.validate.json_schema import families
from vitdsl.validate.json_schema_fields import field_schema, summary


def describe_parts() -> list[dict[str, Any]]:
    """The parts by family: type, kind, summary, fields."""
    return [
        {"family": name, "role": is_role(name), "parts": [_part(kind, cls) for kind, cls in family(name).items()]}
        for name in families()
    ]


def _part(kind: str, cls: type[Part]) -> dict[str, Any]:
    what = "form" if issubclass(cls, Form) else "primitive" if issubclass(cls, Primitive) else "part"
    fields = {info.alias or name: _field(info) for name, info in cls.model_fields.items() if name != "type"}
    own = type_words(field_schema(cls.model_fields["type"]))
    types = own.split(" | ") if own != "string" else [kind]
    return {"type": kind, "types": types, "kind": what, "summary": summary(cls), "fields": fields}


def _field(info: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": type_words(field_schema(info)), "required": info.is_required()}
    if not info.is_required() and isinstance(info.default, (bool, int, float, str, tuple, list)):
        found["default"] = list(info.default) if isinstance(info.default, tuple) else info.default
    return found


def print_parts(found: list[dict[str, Any]]) -> None:
    """Prints families, their parts, and a line for each field."""
    for group in found:
        typer.echo(f"{group['family']}{'  (a role)' if group['role'] else ''}")
        for part in group["parts"]:
            typer.echo(f"  {part['type']}: {part['summary']}")
            if part["types"] != [part["type"]]:
                typer.echo(f"    type: {' | '.join(part['types'])}")
            for name, field in part["fields"].items():
                typer.echo(f"    {name}: {field['type']}{_default(field)}")
        typer.echo("")


def _default(field: dict[str, Any]) -> str:
    if field["required"]:
        return "  (required)"
    return f" = {as_yaml(field['default'])}" if "default" in field else ""
