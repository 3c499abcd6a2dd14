"""Where what stands at an offset is defined: a define, a file, a variable, a stream, a token."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vitdsl.editor.document import Document, Span
from vitdsl.editor.names import Named
from vitdsl.editor.outline import Outline, Spot
from vitdsl.editor.places import root_place
from vitdsl.editor.values import outline_of
from vitdsl.editor.variables import variable_at
from vitdsl.errors import SpecError
from vitdsl.resolve.files import find, shipped, text_of

READING = ("from", "at", "keys", "pool", "over", "type", "training")
"""Keys whose values may name a stream, a token or an output."""


class Target(NamedTuple):
    """A part of a file, whose outline it has."""

    path: Path
    outline: Outline
    span: Span


def definition(document: Document, offset: int) -> Target | None:
    """Where the name at an offset is defined, or None."""
    spot = document.outline.spot(offset)
    if spot is None or spot.is_key or spot.node.kind != "text":
        return None
    key = next((segment for segment in reversed(spot.path) if isinstance(segment, str)), "")
    if spot.path == ("extends",) or (document.kind == "search" and spot.path == ("space",)):
        return _file(document, spot.node.text)
    if "$" in spot.node.text and (found := variable_at(document, spot, offset)) is not None:
        return _target(found)
    if key == "use":
        return _target(document.names.define(spot.node.text))
    return _stream(document, spot) if key in READING else None


def _stream(document: Document, spot: Spot) -> Target | None:
    """The first writer of a stream, the stage that makes a token, or an output."""
    name, names = spot.node.text.partition(".")[0], document.names
    found = names.streams.get(name) or names.tokens.get(name) or names.outputs.get(name)
    return _target(found)


def _target(named: Named | None) -> Target | None:
    if named is None:
        return None
    return Target(named.path, named.outline, Span(named.name.start, max(named.name.end, named.name.start)))


def _file(document: Document, name: str) -> Target | None:
    """The file that is extended, or the space of a search."""
    named = shipped("spaces") / f"{name}.yaml"
    try:
        in_search = document.kind == "search" and named.is_file()
        path = named if in_search else find(name, document.path.parent, root_place(document.kind))
    except (SpecError, OSError, ValueError):
        return None
    text = text_of(path)
    return None if text is None else Target(path, outline_of(text), Span(0, 0))
