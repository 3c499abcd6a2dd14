"""Draws specs out of the annotations of every part: any field with any value of its type, whether or not it fits.

The hybrids beside it are compositions that make sense; these are what nobody would write, until somebody does.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from tests.hybrids.pen import Pen
from vitdsl.fields.declaration import Declaration
from vitdsl.parts.base import BodyField, Fields, FieldsOr, Nested, PartField
from vitdsl.parts.registry import all_parts, family

ROLES = sorted({cls.family for cls in all_parts().values()} - {"internal", "bias", "tokenizer", "point", "classifier"})
OFTEN = ("mixer", "mixer", "mixer", "mlp")
NUMBERS = {int: (1, 2, 3, 4, 6, 12), float: (0.0, 0.5, 1.0, 2.0), bool: (True, False), str: ("kept", "cls", "other")}
ANYTHING = (1, 2, 0.5, "none", {"stride": 2}, "zeros", ["kept"], "same", [1, 2])
BODIES: tuple[Any, ...] = (
    [], "none", ["linear"], [{"linear": 12}], [{"linear": {"dim": 4, "over": "tokens"}}], [{"norm": "layer"}],
    [{"conv": {"kernel": 3}}], [{"pool": {"type": "mean", "kernel": 2}}], [{"mixer": {"type": "global", "heads": 2}}],
    [{"mlp": {"ratio": 2}}], [{"write": "kept"}], [{"from": "kept"}], [{"activation": "relu"}], [{"scale": 2}],
)  # fmt: skip
WIRING: dict[str, tuple[Any, ...]] = {
    "residual": (True, False, {"shortcut": "value"}, {"shortcut": "query"}, {"output": 0.5}, {"after": "relu"}),
    "windows": (2, 4, {"size": 3, "fit": "pad"}, {"size": 2, "shift": 1}),
    "at": ("cls", "grid", "tokens", "first", "kept"),
    "write": ("kept", "kept[]"),
    "from": ("kept", "cls", "grid"),
    "pre": ("none", "layer", "batch"),
    "layer_scale": (0.1,),
    "repeat": (0, 1, 2),
}
MAPS = {"mixer": {"type": "global", "heads": 3, "maps": {"after": [{"write": "kept"}]}}}


def spec(pen: Pen) -> dict[str, Any]:
    """A small model with one or two items that were drawn."""
    body = [pen.pick({"write": "kept"}, {"write": "kept"}, MAPS), *[item(pen) for _ in range(pen.number(1, 2))]]
    stage = {"tokenizer": {"type": "patch", "size": 2, "dim": 12}, "body": body}
    if pen.chance(40):
        stage["tokens"] = ["cls"]
    head = pen.pick({"pool": "mean"}, {"norm": "layer", "pool": "mean"}, [])
    return {"input": {"size": 16}, "classes": pen.pick(0, 5), "stages": [stage], "head": head}


def item(pen: Pen) -> dict[str, Any]:
    """A role with a part, and perhaps wiring."""
    role = pen.pick(*ROLES, *OFTEN, *OFTEN)
    return {role: part(pen, role, 2), **pen.some(10, {key: lambda key=key: pen.pick(*WIRING[key]) for key in WIRING})}


def part(pen: Pen, home: str, depth: int) -> Any:
    """A part of a family with some of its fields; below `depth` fewer of them."""
    members = family(home)
    if not members:
        return "none"
    cls = members[pen.pick(*members)]
    types = get_args(cls.fields["type"].annotation) or ("mean", "max", "cls", "first", "sequence")
    return {**fields(pen, cls, depth), "type": pen.pick(*types)}


def fields(pen: Pen, cls: type[Fields], depth: int) -> dict[str, Any]:
    """Some fields of a mapping, and all that must be there."""
    made = {}
    for key, field in cls.fields_by_key.items():
        if key != "type" and (field.required or pen.chance(25 if depth > 0 else 10)):
            made[key] = _field(pen, field, depth)
    return made


def _field(pen: Pen, field: Declaration, depth: int) -> Any:
    mark = field.type
    if isinstance(mark, PartField):
        return part(pen, mark.family, depth - 1)
    if isinstance(mark, BodyField):
        return pen.pick(*BODIES)
    if isinstance(mark, Nested):
        return fields(pen, mark.model, depth - 1)
    if isinstance(mark, FieldsOr):
        if pen.chance(50):
            return fields(pen, mark.model, depth - 1)
        return part(pen, mark.family, depth - 1) if mark.family else pen.pick(*BODIES)
    found = _value(pen, field.annotation)
    return pen.pick(*ANYTHING) if found is None else found


def _value(pen: Pen, annotation: Any) -> Any:
    """A value of a type, or None where the type does not say."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _value(pen, inner[0])
    if origin in (Union, UnionType):
        return _value(pen, pen.random.choice([kind for kind in inner if kind is not NoneType]))
    if origin is Literal:
        return pen.pick(*inner)
    if origin is list:
        return [_value(pen, inner[0]) for _ in range(pen.number(1, 2))]
    if origin is tuple or (isinstance(annotation, type) and issubclass(annotation, tuple)):
        return pen.pick(1, 2, 3, [1, 2], [2, 2])
    return pen.pick(*NUMBERS[annotation]) if annotation in NUMBERS else None
