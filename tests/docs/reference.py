"""The tables at the end of `docs/language.md`, written out of the code.

`python -m tests.docs.reference` writes them into the page; a test fails when they are out of date.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from vitdsl.cli.list import describe_parts
from vitdsl.cli.output import type_words
from vitdsl.parts import registry
from vitdsl.parts.base import Fields, FieldsOr, Nested
from vitdsl.syntax.printer import as_yaml
from vitdsl.validate import DropPath, Head, Input, Model, Residual, Stage, Windows, Wiring
from vitdsl.validate.json_schema_fields import field_schema

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
BEGIN, END = "<!-- reference -->", "<!-- end of reference -->"
BASES = {"mixer": "global", "mlp": "mlp"}
"""The part of a family whose fields most others of it have too."""
HOMES = {
    "activation": "an activation", "bias": "`position` of a mixer", "norm": "a norm",
    "position": "`position` of a stage", "tokenizer": "`tokenizer` of a stage",
}  # fmt: skip
INITIAL = type_words(field_schema(registry.all_parts()["linear"].fields["init"]))

KEYS: dict[str, tuple[Any, dict[str, str]]] = {
    "The file": (Model, {
        "extends": "a spec to start from: a shipped name, or a path",
        "set": "values by written path, laid over what is extended",
        "name": "what the spec is called",
        "paper": "title, arxiv, and what the paper prints (params, macs), shown beside ours",
        "input": "the image",
        "classes": "outputs of a classifier; 0 leaves classifiers out",
        "defaults": "fields by family, and wiring of what is residual by nature",
        "define": "bodies and stages by name: `{args, optional, body}` or `{args, optional, stage}`",
        "vars": "values by name",
        "stages": "the stages, in order",
        "head": "from the last feature to the outputs",
        "drop_path": "stochastic depth of the model",
        "init": "initial values by family",
    }),
    "`input`": (Input, {
        "size": "of the image",
        "channels": "of the image",
        "mean": "subtracted from a photo",
        "std": "by which it is divided then",
        "crop": "share of the resized photo that is kept",
        "interpolation": "of resizing the photo",
    }),
    "A stage": (Stage, {
        "stream": "the stream that it makes; else it goes on with the last",
        "from": "what it is made out of; `image`, a stream, or `none` (learned tokens alone)",
        "tokenizer": "makes its tokens out of what comes in",
        "carry": "a body for extra tokens that come in, or `none`; needed beside a tokenizer if there are any",
        "tokens": "learned tokens in front: a list of names; or `{count, dim, init}` without names",
        "position": "positions, added",
        "body": "its items",
        "depth": "how often `block` is run",
        "block": "the items that `depth` repeats",
        "norm": "after the body",
        "drop_path": "stochastic depth of everything in it",
        "name": "a segment of paths in place of the stage's number",
    }),
    "Wiring": (Wiring, {
        "at": "what the item acts on: `all`, `grid`, `tokens`, a token, `first`, `last`, an index, a stream, "
        "`stream.part`",
        "from": "what it reads, if that is something else",
        "write": "keeps the result as a stream; `NAME[]` appends it as a token",
        "windows": "runs the operator in windows",
        "pre": "before the operator, inside the branch",
        "post": "after the operator, inside the branch",
        "residual": "adds the input",
        "layer_scale": "a learned scale of each channel of the branch, and its initial value",
        "drop_path": "`none`, a rate, `{rates: […]}` by index, or `{at: …}`, a place on the schedule from 0 to 1",
        "repeat": "how often the item is run, each time with its own weights",
        "name": "a segment of paths in place of the item's number",
        "merge": "of `parallel`: how its branches become one",
    }),
    "`windows`": (Windows, {
        "size": "of a window; larger ones than the grid are the grid",
        "shift": "of the windows, cyclic",
        "fit": "whether the windows must tile the grid, or are filled up",
    }),
    "`residual`": (Residual, {
        "input": "multiplies what enters the branch",
        "output": "multiplies what leaves it",
        "shortcut": "a body for the input; or the mixer's `value` or `query` in its place",
        "after": "after the sum",
    }),
    "`head`": (Head, {
        "from": "what the head starts from; else the last stream",
        "norm": "before the pool",
        "pool": "one, or a list: a classifier for each",
        "body": "a body with a `classifier`, in place of norm and pool (`head: [...]` is short for it)",
        "outputs": "several bodies by name",
        "merge": "what evaluation returns: the mean, or weights by name",
        "training": "what training returns: as evaluation, or a list of outputs and streams; else all outputs",
        "layout": "of an output that has a grid: (B, N, C) or (B, C, H, W)",
        "bias": "of the classifier",
        "init": "of the classifier",
    }),
    "`drop_path` of the file": (DropPath, {
        "rate": "the largest rate; for `per_stage` one for each stage",
        "schedule": "how rates grow",
        "ends": "whether the last block of `linear` has the whole rate",
    }),
}  # fmt: skip


def reference() -> str:
    """All tables."""
    return "\n\n".join([*_keys(), *_roles(), *_parts(), *_mappings()])


def _keys() -> list[str]:
    made = []
    for title, (model, meanings) in KEYS.items():
        infos = model.fields_by_key
        extra = ("extends", "set") if model is Model else ()
        assert set(meanings) == {*infos, *extra}, f"{title}: {set(meanings) ^ {*infos, *extra}}"
        rows = [(f"`{key}`", _words(infos[key]) if key in infos else "", meaning) for key, meaning in meanings.items()]
        made += [f"### {title}", _table(("key", "value", "meaning"), rows)]
    return made


def _words(info: Any) -> str:
    words = type_words(field_schema(info)).replace(INITIAL, "init")
    return _code(words, _default(info.default) if not info.required else None)


def _default(value: Any) -> str | None:
    if isinstance(value, tuple):
        return as_yaml(value[0] if len(set(value)) == 1 else list(value))
    return as_yaml(value) if isinstance(value, (bool, int, float, str)) and value != "" else None


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
    default = field.get("default")
    known = _default(tuple(default) if isinstance(default, list) else default)
    words = field["type"].replace(INITIAL, "init")
    return _code(words, known) + (" (required)" if field["required"] else "")


def filled(page: str) -> str:
    """The page with its tables as they should be."""
    pattern = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)
    return pattern.sub(lambda _: f"\n{reference()}\n\n", page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
