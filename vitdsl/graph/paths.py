"""Written paths and the module paths that they lead to, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from vitdsl.graph.ir import joined
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.paths import Segment, format_path, parse_path
from vitdsl.validate import Body, Item, SpecReader, UsedStage, read_stage


def paths(spec: Any) -> list[tuple[str, str]]:
    """Pairs of a written path and its module path; `{n}` stands for the number of a repetition."""
    found: list[tuple[str, str]] = []
    for index, stage in enumerate(spec.model.stages):
        written: list[Any] = ["stages", index]
        if isinstance(stage, UsedStage):
            written = ["define", stage.use, "stage"]
            stage = read_stage(spec.reader, spec.reader.define(stage.use)["stage"])
        module = f"stages.{stage.name or index}"
        for key in ("tokenizer", "carry", "position", "body", "norm"):
            found += _body(spec.reader, getattr(stage, key), [*written, key], f"{module}.{key}")
        if stage.tokens is not None:
            found.append((format_path([*written, "tokens"]), f"{module}.tokens"))
        found += _body(spec.reader, stage.block, [*written, "block"], f"{module}.block.{{n}}")
    head = spec.model.head
    if head is not None:
        found += _body(spec.reader, head.norm, ["head", "norm"], "head.norm")
        found += _body(spec.reader, head.body, ["head"], "head")
        for name, body in (head.outputs or {}).items():
            found += _body(spec.reader, body, ["head", "outputs", name], f"head.outputs.{name}")
        if head.pool is not None:
            found.append((format_path(["head", "pool"]), "head.classifier"))
    return found


def written_path(spec: Any, module: str) -> tuple[Segment, ...]:
    """The written path of the item or part that a module comes from.

    Args:
        spec: the spec of the file.
        module: path of the module.
    """
    return parse_path(nearest(paths(spec), module) or "stages")


def nearest(pairs: Iterable[tuple[str, str]], module: str) -> str | None:
    """The written path of the item or part that a module comes from, or None.

    Args:
        pairs: what `paths` gives.
        module: path of the module.
    """
    found, longest = None, 0
    names = module.split(".")
    for written, path in pairs:
        pattern = path.split(".")
        places = zip(pattern, names, strict=False)
        if longest < len(pattern) <= len(names) and all(a == b or (a == "{n}" and b.isdigit()) for a, b in places):
            found, longest = written, len(pattern)
    return found


def _body(reader: SpecReader, body: Any, written: list[Any], module: str) -> Iterator[tuple[str, str]]:
    if not isinstance(body, Body):
        return
    if body.bare:
        part = body.items[0].part
        if part is not None and getattr(part, "expands", False) and not part.open:
            raw = part.expand()
            inner = reader.body(raw["body"] if raw.keys() == {"body"} else [raw], "item")
            yield from ((format_path(written), path) for _, path in _body(reader, inner, [], module))
        else:
            yield format_path(written), module
        return
    for index, item in enumerate(body.items):
        here = [*written, index] if body.listed else written
        if isinstance(item, Item):
            yield from _item(reader, item, here, module, str(index), len(body.items) == 1)


def _item(
    reader: SpecReader, item: Item, written: list[Any], module: str, index: str, alone: bool
) -> Iterator[tuple[str, str]]:
    segment = "" if alone and item.role == "use" and not item.own_wiring else item.wiring.name or index
    module = joined(module, segment)
    if item.wiring.repeat is not None:
        module += ".{n}"
    if item.role == "use":
        yield from _body(reader, reader.defined_body(item.use), ["define", item.use, "body"], module)
    elif item.role == "body":
        yield from _body(reader, item.body, [*written, "body"], module)
    elif item.role == "parallel":
        for number, branch in enumerate(item.branches):
            yield from _body(reader, branch, [*written, "parallel", number], f"{module}.{number}")
    elif item.role:
        yield from _part(reader, item, written, module)
    for key in ("pre", "post"):
        yield from _body(reader, getattr(item.wiring, key), [*written, key], f"{module}.{key}")
    if item.wiring.layer_scale is not None:
        yield format_path([*written, "layer_scale"]), f"{module}.layer_scale"


def _part(reader: SpecReader, item: Item, written: list[Any], module: str) -> Iterator[tuple[str, str]]:
    part = item.part
    if part is None or isinstance(part, Late):
        return
    if not part.expands or part.open:
        yield format_path([*written, item.role]), f"{module}.{item.role}"
        return
    inner = reader.item({**part.expand(), **item.own_wiring})
    for own, path in _item(reader, inner, [], "", "", False):
        if own not in ("pre", "post", "layer_scale"):
            yield format_path([*written, item.role]), joined(module, path.lstrip("."))
