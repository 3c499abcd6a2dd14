"""Counts what stands in a spec: parts, roles, wiring keys, fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vitdsl.errors import Refusal
from vitdsl.parts.base import Fields, Part
from vitdsl.parts.registry import COMPOSITE, all_parts, is_role, roles
from vitdsl.spec import Spec
from vitdsl.validate import WIRING, Body, Item, Residual, SpecReader, Stage, UsedStage, Windows, read_stage

MERGES = ("add", "concat", "mean", "multiply")


def wanted() -> set[str]:
    """What must stand in accepted examples often enough."""
    parts = {f"part {name}" for name, cls in all_parts().items() if name not in ("activation", "pool")}
    return (
        parts
        | {f"role {name}" for name in (*roles(), *COMPOSITE)}
        | {f"wiring {key}" for key in WIRING}
        | {f"merge {how}" for how in MERGES}
    )


def stands(spec: Spec) -> set[str]:
    """What stands in a spec: as written, and the primitives of its graph."""
    found = {f"part {node.op.type}" for _, node, _ in spec.graph().frame.nodes()}
    seen: set[int] = set()
    for value in (spec.model.stages, spec.model.head):
        found |= set(_walk(value, spec.reader, seen))
    return found


def _walk(value: Any, reader: SpecReader, seen: set[int]) -> Iterator[str]:
    if isinstance(value, (Body, Item, Fields, UsedStage)):
        if id(value) in seen:
            return
        seen.add(id(value))
    if isinstance(value, UsedStage):
        yield from _walk(read_stage(reader, reader.define(value.use)["stage"]), reader, seen)  # type: ignore[attr-defined]
    elif isinstance(value, Body):
        yield from _walk(value.items, reader, seen)
    elif isinstance(value, Item):
        yield from _item(value, reader, seen)
    elif isinstance(value, Fields):
        yield from _fields(value, reader, seen)
    elif isinstance(value, dict):
        yield from _walk(tuple(value.values()), reader, seen)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _walk(entry, reader, seen)


def _item(item: Item, reader: SpecReader, seen: set[int]) -> Iterator[str]:
    if item.role in COMPOSITE or (item.role and is_role(item.role)):
        yield f"role {item.role}"
    for key in item.own_wiring:
        yield f"wiring {key}"
    if item.role == "parallel":
        yield f"merge {item.wiring.merge or 'add'}"
    if item.role == "use":
        yield from _walk(reader.defined_body(item.use), reader, seen)
        for value in item.args.values():
            yield from _argument(value, reader, seen)
    wiring = item.wiring
    yield from _walk(
        (item.part, item.body, item.branches, wiring.pre, wiring.post, wiring.residual, wiring.windows), reader, seen
    )


def _argument(value: Any, reader: SpecReader, seen: set[int]) -> Iterator[str]:
    """A body or a mixer that is an argument; one that is wrong and that nothing runs does not count."""
    try:
        if isinstance(value, list):
            yield from _walk(reader.body(value, "item"), reader, seen)
        elif isinstance(value, dict) and "heads" in value:
            yield from _walk(reader.part("mixer", value), reader, seen)
    except Refusal:
        return


def _fields(fields: Fields, reader: SpecReader, seen: set[int]) -> Iterator[str]:
    if isinstance(fields, Part):
        yield f"part {fields.type}"
        yield from (f"field {fields.type}.{name}" for name in fields.written if name != "type")
    elif isinstance(fields, (Stage, Windows, Residual)):
        yield from (f"{type(fields).__name__.lower()} {name.strip('_')}" for name in fields.written)
    for value in fields.written.values():
        yield from _walk(value, reader, seen)
