"""What `check` finds in a text, at the places that an editor underlines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from vitdsl.editor.document import Document, Span
from vitdsl.errors import LINE_BREAK, Mark, Problem, printable
from vitdsl.graph.paths import written_path
from vitdsl.spec import Spec
from vitdsl.syntax.locate import mark_of

_MODULE = re.compile(r"\b(?:stages|head)\.[A-Za-z0-9_.]+")


class Related(NamedTuple):
    """Another place that has to do with a fault: what it is, its file, and line and column, from 0."""

    text: str
    path: Path
    line: int
    column: int


class Diagnostic(NamedTuple):
    """Something that is wrong, or probably not meant.

    Attributes:
        span: the part of the text.
        severity: how bad it is.
        text: what is wrong, and the hint.
        problem: as `check` has it.
        related: other places.
    """

    span: Span
    severity: Literal["error", "warning"]
    text: str
    problem: Problem
    related: tuple[Related, ...] = ()


def diagnostics(document: Document) -> list[Diagnostic]:
    """What `check` finds in a text: all that is wrong, else all that is probably not meant."""
    found = document.report
    errors = [_diagnostic(document, each, "error") for each in found.problems]
    return errors + [_diagnostic(document, each, "warning") for each in found.warnings]


def _diagnostic(document: Document, problem: Problem, severity: Literal["error", "warning"]) -> Diagnostic:
    mark = problem.mark
    if mark is None and document.report.spec is not None:
        mark = _mark_of_module(document.report.spec, problem)
    offset = document.offset_of(mark)
    related = [*_related(problem)]
    if offset is None:
        offset = _begin(document)
        related += [Related("here", Path(mark.source.name), mark.line - 1, mark.column - 1)] if mark else []
    return Diagnostic(document.span(offset), severity, text_of(problem), problem, tuple(related))


def text_of(problem: Problem) -> str:
    """The message of a problem and its hint; nothing in it is obeyed by whoever shows it."""
    lines = [printable(line) for line in LINE_BREAK.split(problem.message)]
    if problem.hint:
        lines += [printable(f"hint: {line}") for line in LINE_BREAK.split(problem.hint)]
    lines += [printable(text) for text, mark in problem.notes if mark is None]
    return "\n".join(lines)


def _related(problem: Problem) -> Iterator[Related]:
    """The notes of a problem that stand in files."""
    for text, mark in problem.notes:
        if mark is not None and Path(mark.source.name).suffix:
            yield Related(printable(text), Path(mark.source.name), mark.line - 1, mark.column - 1)


def _begin(document: Document) -> int:
    """Where a fault stands that is not in this text: at what it extends, or at its beginning."""
    extends = document.outline.root.get("extends")
    return extends.start if extends is not None else document.outline.root.start


def _mark_of_module(spec: Spec, problem: Problem) -> Mark | None:
    """The mark of the module that a warning names, as its path or first in its message."""
    named = _MODULE.search(problem.path or problem.message)
    if named is None:
        return mark_of(spec.tree, ("defaults",)) if "`defaults`" in problem.message else None
    return mark_of(spec.tree, written_path(spec, named[0]))
