"""Edits that mend what is wrong: those that a hint says in words. One is offered only where the fault is gone by it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from vitdsl.editor.diagnostics import Diagnostic, diagnostics
from vitdsl.editor.document import Document, Span
from vitdsl.errors import Problem, meant, printable
from vitdsl.resolve.files import hold, text_held

_HERE = re.compile(r"here that is `(\w+)`")
_QUOTE = re.compile(r"quote it: (?P<text>(?P<sign>['\"]).+(?P=sign))(?P<colon>:?)$")
_SPACED = re.compile(r"write (?P<text>'[^']*: ?[^']*'|\"[^\"]*: ?[^\"]*\")$")
_NAMED = re.compile(r"`([^`]+)`")


class Fix(NamedTuple):
    """An edit: what it does, the part of the text that goes, and the text in its place."""

    title: str
    span: Span
    text: str


def fixes(document: Document, diagnostic: Diagnostic) -> list[Fix]:
    """The edits that mend a fault.

    Each was tried: the text with the edit does not have the fault any more.
    """
    return [fix for fix in _proposed(document, diagnostic) if _mends(document, diagnostic, fix)]


def applied(text: str, fix: Fix) -> str:
    """The text with an edit."""
    return text[: fix.span.start] + fix.text + text[fix.span.end :]


def _proposed(document: Document, diagnostic: Diagnostic) -> Iterator[Fix]:
    """The edits that a hint says."""
    problem, span = diagnostic.problem, diagnostic.span
    if document.offset_of(problem.mark) is None:
        return
    word = meant(problem.hint)
    here = _HERE.search(problem.hint)
    if word is not None or here is not None:
        new = word if word is not None else here[1] if here is not None else ""
        yield _replaced(document, problem, span, new)
    if found := _QUOTE.match(problem.hint):
        inner = found["text"][1:-1]
        if document.text.startswith(inner, span.start):
            yield Fix(f"quote {printable(inner)}", Span(span.start, span.start + len(inner)), found["text"])
    if found := _SPACED.match(problem.hint):
        new = found["text"][1:-1]
        yield Fix(f"write {printable(new)}", Span(span.start, span.start + len(new) - 1), new)
    if problem.hint == "delete it":
        yield Fix("delete it", Span(span.start, span.start + 1), "")


def _replaced(document: Document, problem: Problem, span: Span, new: str) -> Fix:
    """The name in the place of the wrong one: the whole key or text, or the word in it that the message names."""
    old = document.text[span.start : span.end]
    named = [name for name in _NAMED.findall(problem.message) if re.search(_word(name), old)]
    inside = re.search(_word(named[0]), old) if named else None
    begin, end = inside.span() if inside else (0, len(old))
    return Fix(f"write {printable(new)}", Span(span.start + begin, span.start + end), new)


def _word(name: str) -> str:
    return rf"(?<!\w){re.escape(name)}(?!\w)"


def _mends(document: Document, diagnostic: Diagnostic, fix: Fix) -> bool:
    """Whether a fault is gone by an edit."""
    text = applied(document.text, fix)
    held = text_held(document.path)
    hold(document.path, text)
    try:
        left = diagnostics(Document(document.path, text))
    finally:
        hold(document.path, held)
    before = [each.text for each in diagnostics(document)]
    return [each.text for each in left].count(diagnostic.text) < before.count(diagnostic.text)
