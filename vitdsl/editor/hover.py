"""What an editor shows beside a key, a type, an item, a name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from vitdsl.editor.document import Document, Span
from vitdsl.editor.grammar import Member, Site, keys_at, members
from vitdsl.editor.markup import Block
from vitdsl.editor.names import Named
from vitdsl.editor.nodes import Path
from vitdsl.editor.outline import Spot
from vitdsl.editor.shapes import Run, runs_in, shapes
from vitdsl.editor.variables import variable_at
from vitdsl.editor.words import schema_of, words
from vitdsl.features import Cost
from vitdsl.parts.registry import COMPOSITE, class_of, is_role
from vitdsl.validate.descriptions import paper
from vitdsl.validate.json_schema_fields import default_words, type_words
from vitdsl.validate.places import BodyPlace, FieldPlace, PartPlace

SHOWN = 12
"""Lines of a define that are shown."""
_SECTION = re.compile(r"\n\s*Attributes:\n.*", re.DOTALL)


class Hover(NamedTuple):
    """What is shown, and the part of the text that it is about."""

    blocks: tuple[Block, ...]
    span: Span


def hover(document: Document, offset: int) -> Hover | None:
    """What there is to say of what stands at an offset."""
    spot = document.outline.spot(offset)
    if spot is None or spot.node.kind != "text":
        return None
    blocks = [*(_of_key if spot.is_key else _of_value)(document, spot, offset)]
    return Hover(tuple(blocks), Span(spot.node.start, spot.node.end)) if blocks else None


# ---------------------------------------------------------------- keys


def _of_key(document: Document, spot: Spot, offset: int) -> Iterator[Block]:
    site = document.site(spot.path[:-1])
    key = spot.node.text
    member = keys_at(site, document.names)[0].get(key)
    if member is None:
        return
    yield from _of_member(key, member)
    if key in COMPOSITE or (is_role(key) and isinstance(_whole(site), BodyPlace)):
        yield from _of_item(document, spot)


def _whole(site: Site) -> Any:
    return site.place.other if isinstance(site.place, FieldPlace) else site.place


def _of_member(key: str, member: Member) -> Iterator[Block]:
    """A key: its type and default, what it means, and the paper of the part."""
    field = member.field
    if field is not None:
        kind = type_words(schema_of(field))
        default = default_words(field.default)
        yield Block(f"{key}: {kind}{'' if default is None else f' = {default}'}", code=True)
    else:
        yield Block(key, code=True)
    if member.text:
        yield Block(member.text[:1].upper() + member.text[1:])
    if field is not None and field.required:
        yield Block("It must be given.")
    yield from _of_paper(member.model)


def _of_paper(model: type | None) -> Iterator[Block]:
    text = paper(model) if model is not None else ""
    if text:
        yield Block(f"Paper: {text}")


# ---------------------------------------------------------------- items


def _of_item(document: Document, spot: Spot) -> Iterator[Block]:
    """What goes into the item of a role, what comes out, and what it costs."""
    run = runs_in(document).get(spot.parent.start) if spot.parent is not None else None
    if run is not None:
        yield Block(_flow(run), code=True)


def _flow(run: Run) -> str:
    lines = [f"{shapes(run.inputs)} → {shapes(run.outputs)}"] if run.outputs else []
    lines += [f"each run: {_cost(cost)}" for cost in run.costs[:3]]
    return "\n".join(lines)


def _cost(cost: Cost) -> str:
    return f"{cost.params:,} parameters, {cost.macs:,} MACs"


# ---------------------------------------------------------------- values


def _of_value(document: Document, spot: Spot, offset: int) -> Iterator[Block]:
    text, key = spot.node.text, _key_of(spot.path)
    if "$" in text:
        yield from _of_variable(document, spot, offset)
        return
    if key == "use":
        yield from _of_named(document.names.define(text))
        return
    site = document.site(spot.path)
    family = _family(document, site)
    cls = class_of(family, text) if family else None
    if cls is not None and any(word.text == text for word in words(site, document.names)):
        yield Block(text, code=True)
        yield Block(_SECTION.sub("", inspect.getdoc(cls) or ""))
    elif is_role(text) and isinstance(_whole(site), BodyPlace):
        yield from _of_member(text, members(_whole(site), {}, document.names)[text])
    run = runs_in(document).get(spot.node.start)
    if run is not None:
        yield Block(_flow(run), code=True)


def _key_of(path: Path) -> str:
    return next((segment for segment in reversed(path) if isinstance(segment, str)), "")


def _family(document: Document, site: Site) -> str:
    """The family of the type that may stand at a place."""
    if site.key == "type" and site.member is not None and site.member.model is not None:
        return getattr(site.member.model, "family", "")
    place = _whole(site)
    return place.family if isinstance(place, PartPlace) else place.home if isinstance(place, BodyPlace) else ""


def _of_variable(document: Document, spot: Spot, offset: int) -> Iterator[Block]:
    name = variable_at(document, spot, offset)
    if name is not None:
        yield from _of_named(name)


def _of_named(named: Named | None) -> Iterator[Block]:
    """Something with a name, as it is written."""
    if named is None:
        return
    start = named.name.start
    lines = named.outline.text[start : max(named.value.end, named.name.end)].splitlines()
    more = ["…"] if len(lines) > SHOWN else []
    yield Block("\n".join([*_dedented(lines[:SHOWN]), *more]), code=True)


def _dedented(lines: Sequence[str]) -> list[str]:
    """Lines without the indentation that all but the first have."""
    least = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
    return [*lines[:1], *(line[max(least - 2, 0) :] for line in lines[1:])]
