"""What may be written where somebody is writing: keys, types, words, names; also in brackets that are not closed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from vitdsl.editor.document import Document, Span
from vitdsl.editor.grammar import Member, keys_at, members
from vitdsl.editor.outline import Spot
from vitdsl.editor.places import root_place
from vitdsl.editor.values import CURSOR
from vitdsl.editor.variables import ALWAYS, visible
from vitdsl.editor.words import schema_of, words
from vitdsl.resolve.files import is_draft, shipped
from vitdsl.validate.json_schema_fields import type_words

_WRITING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.][\w.-]*", re.ASCII)
_REST = re.compile(r"[A-Za-z0-9_]*")


class Completion(NamedTuple):
    """Something that may be written.

    Attributes:
        label: what is shown.
        kind: what it is.
        span: the part of the text that goes.
        text: what comes in its place.
        detail: a few words beside the label.
        meaning: what it means.
    """

    label: str
    kind: Literal["key", "word", "name", "file"]
    span: Span
    text: str
    detail: str = ""
    meaning: str = ""


def completions(document: Document, offset: int) -> list[Completion]:
    """What may be written at an offset."""
    marked = Document(document.path, document.text[:offset] + CURSOR + document.text[offset:])
    spot = marked.outline.spot(offset)
    if spot is None or CURSOR not in spot.node.text or _in_comment(marked, spot, offset):
        return []
    typed = marked.text[spot.node.start : offset]
    if "$" in typed and not spot.is_key:
        return [*_variables(marked, spot, typed, offset)]
    span = Span(spot.node.start, spot.node.end - len(CURSOR))
    if spot.is_key:
        return [*_keys(marked, spot, span)]
    keys = [*_first_keys(marked, spot, span)] if _may_be_key(marked, spot) else []
    known = {key.label for key in keys}
    return [*keys, *(each for each in _values(marked, spot, span) if each.label not in known)]


def _in_comment(document: Document, spot: Spot, offset: int) -> bool:
    """Whether the place of the cursor is behind a `#`, where nothing is read."""
    line = document.text[document.outline.offset(document.outline.position(offset)[0], 0) : offset]
    return line.lstrip().startswith("#") or (" #" in line and spot.node.start < offset - len(line))


# ---------------------------------------------------------------- keys


def _keys(document: Document, spot: Spot, span: Span) -> Iterator[Completion]:
    """Keys of the mapping that the cursor is in."""
    found, there = keys_at(document.site(spot.path[:-1]), document.names)
    yield from _offered(found, there, span, "" if spot.colon else ": ")


def _first_keys(document: Document, spot: Spot, span: Span) -> Iterator[Completion]:
    """The first keys of a mapping that may begin where a value stands alone on its line."""
    site = document.site(spot.path)
    yield from _offered(members(site.place, {}, document.names), (), span, ": ")


def _offered(found: dict[str, Member], there: Iterable[str], span: Span, colon: str) -> Iterator[Completion]:
    for key in found:
        if key in there:
            continue
        field = found[key].field
        detail = type_words(schema_of(field)) if field is not None else ""
        yield Completion(key, "key", span, key + colon, detail, found[key].text)


def _may_be_key(document: Document, spot: Spot) -> bool:
    """Whether a mapping may begin where a value stands: in a block, first on its line or behind a dash."""
    if spot.parent is not None and spot.parent.flow:
        return False
    line, column = document.outline.position(spot.node.start)
    start = document.outline.offset(line, 0)
    return not document.text[start : start + column].strip(" \t-")


# ---------------------------------------------------------------- values


def _values(document: Document, spot: Spot, span: Span) -> Iterator[Completion]:
    site = document.site(spot.path)
    if spot.path == ("extends",):
        yield from _files(document, root_place(document.kind).folders, span)
    elif spot.path == ("space",) and document.kind == "search":
        yield from _files(document, ("spaces",), span)
    for word in words(site, document.names):
        yield Completion(word.text, "word", span, word.text, "", word.meaning)
    if site.member is not None and site.member.field is not None:
        for name in visible(document, spot.path):
            yield Completion(f"${name}", "name", span, f"${name}", "", "A variable or an argument.")


def _variables(document: Document, spot: Spot, typed: str, offset: int) -> Iterator[Completion]:
    """Names behind a `$`, or inside of an expression."""
    found = _WRITING.search(typed)
    begin = offset - len(found[0]) if found else offset
    before = typed[: len(typed) - (offset - begin)]
    if not (before.endswith("$") or "$(" in before) or before.endswith("."):
        return
    rest = _REST.match(document.text, offset + len(CURSOR))
    span = Span(begin, offset + (len(rest[0]) if rest else 0))
    for name in visible(document, spot.path):
        yield Completion(name, "name", span, name, "", "A variable or an argument.")
    for name, meaning in ALWAYS.items():
        yield Completion(name, "name", span, name, "", meaning)


def _files(document: Document, folders: tuple[str, ...], span: Span) -> Iterator[Completion]:
    """Shipped files by name, and files beside this one."""
    try:
        beside = sorted(path.name for path in document.path.parent.iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError:
        beside = []
    for name in beside:
        if name != document.path.name and _PLAIN_NAME.fullmatch(name) and not is_draft(name):
            yield Completion(name, "file", span, name, "beside this file")
    for name in sorted({path.stem for folder in folders for path in shipped(folder).glob("*.yaml")}):
        yield Completion(name, "file", span, name, "shipped")
