"""Names in `$name` and `$(…)`: which one is meant at an offset, and where it gets its value."""

from __future__ import annotations

import re
from typing import NamedTuple

from vitdsl.editor.document import Document, Span
from vitdsl.editor.names import Named, arguments, whole
from vitdsl.editor.nodes import Path
from vitdsl.editor.outline import Spot
from vitdsl.resolve.substitute import RESERVED

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Used(NamedTuple):
    """A name in an expression, and the part of the text that it takes."""

    name: str
    span: Span


def used_at(document: Document, spot: Spot, offset: int) -> Used | None:
    """The name in an expression at an offset, or None."""
    text = document.text[spot.node.start : spot.node.end]
    expression = "$(" in text
    for found in _WORD.finditer(text):
        begin, end = spot.node.start + found.start(), spot.node.start + found.end()
        dollar = text[found.start() - 1 : found.start()] == "$"
        dotted = text[found.start() - 1 : found.start()] == "."
        if begin - dollar <= offset <= end and (dollar or (expression and not dotted)):
            return Used(found[0], Span(begin, end))
    return None


def variable_at(document: Document, spot: Spot, offset: int) -> Named | None:
    """Where the name at an offset gets its value: an argument of the define around it, or a variable."""
    used = used_at(document, spot, offset)
    return None if used is None else visible(document, spot.path).get(used.name)


def visible(document: Document, path: Path) -> dict[str, Named]:
    """What late values may name at a path; arguments hide variables."""
    around = path[1] if len(path) > 2 and path[0] == "define" else None
    own = document.kind == "define"
    define = whole(document.path, document.outline) if own else document.names.define(str(around))
    return {**document.names.variables, **arguments(define)}


ALWAYS = {
    "dim": "Width of the feature that enters, in channels.",
    "height": "Rows of the grid of the feature that enters.",
    "width": "Columns of the grid of the feature that enters.",
    "index": "Number of the repetition, from 0.",
    "index_1": "Number of the repetition around this one, from 0.",
}
"""Names that always have a value in items."""
assert ALWAYS.keys() == RESERVED
