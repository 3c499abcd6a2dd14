"""JSON schema (draft-07) of spec files, for completion and checks in editors (yaml-language-server).

It is made from the models of `vitdsl.validate` and the installed parts. Families are chains of `if` and `then` on
`type`, since editors follow them while the mapping is incomplete. Every value may also be a late value or a hole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from vitdsl.parts.base import NONE, Part
from vitdsl.parts.initial import InitField
from vitdsl.parts.registry import COMPOSITE, DEFAULT_TYPES, all_parts, class_of, family, roles
from vitdsl.validate import (
    DEFAULT_WIRING,
    INIT_FAMILIES,
    DropPath,
    Head,
    Model,
    Residual,
    Stage,
    Windows,
    Wiring,
)
from vitdsl.validate.descriptions import BODIES, DEFINE, HOLE, descriptions, role_text, summary
from vitdsl.validate.json_schema_fields import (
    LATE,
    Schema,
    described,
    field_schema,
    mapping_schema,
    merged_keys,
    object_schema,
    or_late,
    ref,
    type_schema,
)
from vitdsl.validate.wiring import PLACE

DRAFT = "http://json-schema.org/draft-07/schema#"
INTERNAL = "internal"
"""Family of the primitives that no spec can name."""

ITEM, ITEM_MAPPING = ref("item"), ref("item_mapping")
ANYTHING: Schema = {}


def schema() -> Schema:
    """The schema of a spec file, with the parts that are installed."""
    definitions = {
        "late": _late(),
        "item": _item(),
        "item_mapping": _item_mapping(),
        "stage": _stage(),
        "head": {"anyOf": [object_schema(Head), ref("body_item")]},
        "windows": object_schema(Windows),
        "residual": object_schema(Residual),
        "drop_path": {"anyOf": [object_schema(DropPath), {"const": NONE}]},
        "body_item": _body("item"),
        "body_names": or_late(PLACE),
    }
    for name in families():
        definitions |= {name: _family(name), f"{name}_mapping": _mapping(name), f"body_{name}": _body(name)}
        definitions |= {f"{name}.{kind}": _part(cls) for kind, cls in family(name).items() if not single_class(name)}
    root, texts = object_schema(Model), descriptions(Model)
    initial = {
        name: described(or_late(type_schema(InitField)), f"Initial values of every {name}.") for name in INIT_FAMILIES
    }
    root["properties"] |= {
        **merged_keys(Model),
        "defaults": described(_defaults(), texts["defaults"]),
        "define": described(_defines(), texts["define"]),
        "init": described(mapping_schema(initial), texts["init"]),
    }
    del root["required"]
    root["anyOf"] = [{"required": ["stages"]}, {"required": ["extends"]}]
    return {"$schema": DRAFT, "title": "vitdsl spec", **root, "definitions": definitions}


def families() -> tuple[str, ...]:
    """Families of the parts that a spec can name."""
    return tuple(sorted({cls.family for cls in all_parts().values()} - {INTERNAL}))


# ---------------------------------------------------------------- parts


def _family(name: str) -> Schema:
    """A part of a family: a mapping, a bare type, a bare value, or `none`."""
    single = single_class(name)
    if single is None:
        return {"anyOf": [ref(f"{name}_mapping"), {"enum": [*family(name), NONE]}, LATE]}
    bare = field_schema(single.fields[single.shorthand or "type"])
    return {"anyOf": [ref(f"{name}_mapping"), {"const": NONE}, bare]}


def single_class(name: str) -> type[Part] | None:
    """The class of a family whose types all have one class, else None."""
    return class_of(name, name) if name not in DEFAULT_TYPES else None


def _part(cls: type[Part]) -> Schema:
    """The mapping of a part with all fields optional; its `type` is a name, never late."""
    found = object_schema(cls, partial=True)
    found["properties"]["type"] = described(type_schema(cls.fields["type"].annotation, ()), summary(cls))
    return found


def _required(cls: type[Part]) -> Schema:
    names = [field.key for field in cls.fields.values() if field.required]
    return {"required": names} if names else {}


def _mapping(name: str, partial: bool = False) -> Schema:
    """The mapping of a part of a family, by type. Without a `type`, all fields of the family: `defaults` may set it."""
    single = single_class(name)
    if single is not None:
        return _part(single) if partial else {**_part(single), **_required(single)}
    kinds, shared, steps = family(name), {}, []
    for kind, cls in kinds.items():
        shared |= {key: {"description": text} for key, text in descriptions(cls).items()}
        rules = [ref(f"{name}.{kind}")] + ([] if partial else [_required(cls)])
        then = rules[0] if not all(rules[1:]) or partial else {"allOf": rules}
        steps.append({"if": {"properties": {"type": {"const": kind}}, "required": ["type"]}, "then": then})
    shared["type"] = types = {"type": "string", "enum": list(kinds), "description": f"Which {name}."}
    untyped = {"if": {"not": {"required": ["type"]}}, "then": mapping_schema(shared)}
    return {"type": "object", "properties": {"type": types}, "not": _HOLE_KEYS, "allOf": [*steps, untyped]}


_HOLE_KEYS: Schema = {"anyOf": [{"required": ["choose"]}, {"required": ["range"]}]}


def _late() -> Schema:
    """An expression, a hole, or `null`, which removes an inherited value."""
    keys: Schema = {
        "choose": {"type": ["array", "object"]},
        "range": {"type": "array", "minItems": 2, "maxItems": 3},
        "when": {"type": ["string", "boolean"]},
        "else": ANYTHING,
        "each": {"type": "boolean"},
    }  # fmt: skip
    hole = mapping_schema({key: described(each, HOLE[key]) for key, each in keys.items()})
    return {"anyOf": [{"type": "string", "pattern": r"^\$"}, {**hole, **_HOLE_KEYS}, {"type": "null"}]}


# ---------------------------------------------------------------- bodies


def _body(home: str) -> Schema:
    """A list of items, one item, or a bare part of the home family."""
    if home == "item":
        entry, mapping, names = ITEM, ITEM_MAPPING, []
    else:
        typed = {"if": {"required": ["type"]}, "then": ref(f"{home}_mapping"), "else": ITEM_MAPPING}
        entry, mapping, names = {"anyOf": [ITEM, ref(home)]}, {"type": "object", **typed}, _type_names(home)
    words = {"enum": list(dict.fromkeys([*names, *roles(), NONE]))}
    return {"anyOf": [{"type": "array", "items": entry}, mapping, words, LATE]}


def _type_names(home: str) -> list[str]:
    """The names of types of a family, which stand for parts."""
    single = single_class(home)
    return list(get_args(single.fields["type"].annotation)) if single else list(family(home))


def _item() -> Schema:
    return {"anyOf": [ITEM_MAPPING, {"enum": list(roles())}, LATE]}


def _item_mapping() -> Schema:
    """One role with its part or body, and wiring; the arguments of a `use` may have any name."""
    wiring = object_schema(Wiring)["properties"]
    own: Schema = {name: described(ref(name), role_text(name)) for name in roles()}
    own["body"] = described(ref("body_item"), BODIES["body"])
    own["parallel"] = described(or_late({"type": "array", "items": ref("body_item")}), BODIES["parallel"])
    named = {"type": "string", "description": BODIES["use"]}
    alone = {"not": {"anyOf": _requires(own)}, "anyOf": _requires(("from", "write"))}
    other = {**mapping_schema({**wiring, **own, "use": named}), "oneOf": [*_requires(own), alone]}
    use = {"properties": {**wiring, "use": named}}
    return {"type": "object", "if": {"required": [COMPOSITE[-1]]}, "then": use, "else": other}


def _requires(names: Iterable[str]) -> list[Schema]:
    return [{"required": [name]} for name in names]


def _stage() -> Schema:
    use = {"properties": {"use": {"type": "string", "description": BODIES["use"]}}}
    return {"type": "object", "if": {"required": ["use"]}, "then": use, "else": object_schema(Stage)}


def _defaults() -> Schema:
    """Fields by family, and wiring keys."""
    wiring = object_schema(Wiring)["properties"]
    found = {key: wiring[key] for key in DEFAULT_WIRING}
    for name in families():
        bare = {"enum": list(family(name))} if single_class(name) is None else ref(name)
        text = f"The type of every {name} without one, or fields of all of them."
        found[name] = {"anyOf": [_mapping(name, partial=True), bare, LATE], "description": text}
    return mapping_schema(found)


def _defines() -> Schema:
    """Named bodies and stages, with their arguments."""
    keys: Schema = {
        "args": {"type": "array", "items": {"type": "string"}},
        "optional": {"type": "object"},
        "body": ref("body_item"),
        "stage": ref("stage"),
    }
    entry = mapping_schema({key: described(each, DEFINE[key]) for key, each in keys.items()})
    return {"type": "object", "additionalProperties": entry}
