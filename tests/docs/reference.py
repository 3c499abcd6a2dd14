"""The tables at the end of `docs/language.md`, written out of the code.

`python -m tests.docs.reference` writes them into the page; a test fails when they are out of date.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from vitdsl.cli.list import describe_parts
from vitdsl.parts import registry
from vitdsl.parts.base import Fields, FieldsOr, Nested
from vitdsl.validate import DropPath, Head, Input, Model, Residual, Stage, Windows, Wiring
from vitdsl.validate.descriptions import descriptions
from vitdsl.validate.json_schema_fields import default_words, field_schema, type_words

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
BEGIN, END = "<!-- reference -->", "<!-- end of reference -->"
BASES = {"mixer": "global", "mlp": "mlp"}
"""The part of a family whose fields most others of it have too."""
HOMES = {
    "activation": "an activation", "bias": "`position` of a mixer", "norm": "a norm",
    "position": "`position` of a stage", "tokenizer": "`tokenizer` of a stage",
}  # fmt: skip
INITIAL = type_words(field_schema(registry.all_parts()["linear"].fields["init"]))

KEYS: dict[str, Any] = {
    "The file": Model, "`input`": Input, "A stage": Stage, "Wiring": Wiring, "`windows`": Windows,
    "`residual`": Residual, "`head`": Head, "`drop_path` of the file": DropPath,
}  # fmt: skip
"""The mappings whose keys have a table of their own; what keys mean is in the docstrings of their classes."""


def reference() -> str:
    """All tables."""
    return "\n\n".join([*_keys(), *_roles(), *_parts(), *_mappings()])


def _keys() -> list[str]:
    made = []
    for title, model in KEYS.items():
        infos, meanings = model.fields_by_key, descriptions(model)
        keys = (*model.merged, *infos)
        assert meanings.keys() == set(keys), f"{title}: {meanings.keys() ^ set(keys)}"
        rows = [(f"`{key}`", _words(infos[key]) if key in infos else "", meanings[key].rstrip(".")) for key in keys]
        made += [f"### {title}", _table(("key", "value", "meaning"), rows)]
    return made


def _words(info: Any) -> str:
    words = type_words(field_schema(info)).replace(INITIAL, "init")
    return _code(words, default_words(info.default))


def _code(words: str, default: str | None) -> str:
    text = words if default is None else f"{words} = {default}"
    return f"`{text}`".replace("|", "\\|") if text not in ("", "any") else ""


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join(" ".join(f"| {cell}" if cell else "|" for cell in cells) + " |" for cells in lines)


def _roles() -> list[str]:
    own = {group["family"]: group["parts"] for group in describe_parts() if group["role"]}
    rows = []
    for name in registry.roles():
        (cls, *others) = own[name]
        what = cls["summary"] if not others else "one of: " + ", ".join(f"`{part['type']}`" for part in own[name])
        named = "type" if others or len(cls["types"]) > 1 else ""
        short = getattr(registry.class_of(name, name), "shorthand", "") or named
        residual = any(registry.all_parts()[part["type"]].residual for part in own[name])
        rows.append((f"`{name}`", f"`{short}`" if short else "", "yes" if residual else "", what))
    note = "A bare value fills the field in the second column: `{dropout: 0.1}` is `{dropout: {rate: 0.1}}`."
    return ["### Roles", note, _table(("role", "bare value", "residual by nature", "what it does"), rows)]


def _parts() -> list[str]:
    note = (
        "`init` stands for an initial value: a number, a name, or `{type, std, value}`. "
        "Names are " + ", ".join(f"`{word}`" for word in INITIAL.split(" | ") if word not in ("number", "object")) + "."
    )
    made = ["### Parts and their fields", note]
    for group in describe_parts():
        where = f"role `{group['family']}`" if group["role"] else HOMES[group["family"]]
        made.append(f"#### {group['family']} ({where})")
        base = next((part for part in group["parts"] if part["type"] == BASES.get(group["family"])), None)
        ordered = sorted(group["parts"], key=lambda part: part is not base)
        made.append(_table(("type", "what it is", "fields"), [_part(part, base) for part in ordered]))
    return made


def _part(part: dict[str, Any], base: dict[str, Any] | None) -> tuple[str, str, str]:
    fields = part["fields"]
    types = ", ".join(f"`{kind}`" for kind in part["types"])
    if base is None or part is base or not base["fields"].keys() <= fields.keys():
        return types, part["summary"], _fields(fields)
    own = {name: field for name, field in fields.items() if base["fields"].get(name) != field}
    more = f", and {_fields(own)}" if own else ""
    return types, part["summary"], f"those of `{base['type']}`{more}"


def _fields(fields: dict[str, Any]) -> str:
    return ", ".join(f"`{name}` {_field(field)}".rstrip() for name, field in fields.items())


def _mappings() -> list[str]:
    """The mappings that are values of fields, each with its own keys."""
    found: dict[type[Fields], dict[str, None]] = {}

    def visit(model: type[Fields], where: str) -> None:
        for key, field in model.fields_by_key.items():
            if isinstance(field.type, (Nested, FieldsOr)):
                found.setdefault(field.type.model, {}).setdefault(f"`{key}` of {where}")
                visit(field.type.model, f"`{key}`")

    for name, cls in registry.all_parts().items():
        if cls.family != "internal":
            visit(cls, f"a {cls.family}" if cls.family in BASES else f"`{name}`")
    rows = []
    for model, places in found.items():
        keys = [f"`{key}` {_words(field)}".rstrip() for key, field in model.fields_by_key.items()]
        rows.append((", ".join(places), ", ".join(keys)))
    return ["### Mappings inside parts", _table(("where", "keys"), sorted(rows))]


def _field(field: dict[str, Any]) -> str:
    known = default_words(field.get("default"))
    words = field["type"].replace(INITIAL, "init")
    return _code(words, known) + (" (required)" if field["required"] else "")


def filled(page: str) -> str:
    """The page with its tables as they should be."""
    pattern = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)
    return pattern.sub(lambda _: f"\n{reference()}\n\n", page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
