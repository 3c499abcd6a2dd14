"""Problems with positions, and the one renderer that prints them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

LINE_BREAK = re.compile(r"\r\n|\r|\n")
_EXCERPT_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Source:
    """A text that positions point into.

    Args:
        name: what messages call it: a path, or a word such as `--set`.
        text: the whole text, without a byte order mark.
    """

    name: str
    text: str = field(repr=False)
    _lines: list[str] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def lines(self) -> list[str]:
        """The lines of the text without their breaks; a final line break begins no further line."""
        if self._lines is None:
            lines = LINE_BREAK.split(self.text)
            if len(lines) > 1 and not lines[-1]:
                lines.pop()
            object.__setattr__(self, "_lines", lines)
        return self._lines or []


class Mark(NamedTuple):
    """A position in a source; line and column count from 1, columns in characters."""

    source: Source
    line: int
    column: int

    def __str__(self) -> str:
        """Return `file:line:column`, control characters escaped."""
        return f"{_one_line(self.source.name)}:{self.line}:{self.column}"

    def __repr__(self) -> str:
        """Return a short form that leaves the text of the source out."""
        return f"Mark({self})"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        message: what was found and what was expected; may have several lines.
        path: written path of the place, such as `stages[2].block[0].mixer.heads`.
        mark: where it stands.
        hint: the nearest right answer.
        notes: secondary places, each a text ("used here") and a mark.
        code: the code of its kind, such as `E201`; empty where another package says what is wrong.
    """

    message: str
    path: str = ""
    mark: Mark | None = None
    hint: str = ""
    notes: tuple[tuple[str, Mark | None], ...] = ()
    code: str = ""

    @property
    def file(self) -> str | None:
        """Name of the source, if there is a mark."""
        return None if self.mark is None else self.mark.source.name

    @property
    def line(self) -> int | None:
        """Line, from 1, if there is a mark."""
        return None if self.mark is None else self.mark.line

    @property
    def column(self) -> int | None:
        """Column, from 1, if there is a mark."""
        return None if self.mark is None else self.mark.column

    def __str__(self) -> str:
        """Render the problem as text."""
        return "\n".join(_problem_lines(self))


def render(problems: Iterable[Problem]) -> str:
    """Return the text of the problems: stable, plain, without colours; control characters are escaped."""
    blocks = [str(problem) for problem in problems]
    if len(blocks) > 1:
        blocks.append(f"{len(blocks)} problems")
    return "\n".join(blocks)


def _problem_lines(problem: Problem) -> list[str]:
    """Header, message, excerpt, hint and notes; without a path the message is the header."""
    first, *rest = (printable(line) for line in LINE_BREAK.split(problem.message))
    message = [with_code(first, problem.code), *rest]
    place = [] if problem.mark is None else [str(problem.mark)]
    if problem.path:
        lines = [": ".join([*place, _one_line(problem.path)]), *(f"  {line}" for line in message)]
    else:
        lines = [": ".join([*place, message[0]]), *(f"  {line}" for line in message[1:])]
    lines += _excerpt(problem.mark)
    if problem.hint:
        first, *rest = (printable(line) for line in LINE_BREAK.split(problem.hint))
        lines += [f"  hint: {first}", *(f"        {line}" for line in rest)]
    for text, mark in problem.notes:
        where = "" if mark is None else f": {mark}"
        lines += [f"  {_one_line(text)}{where}", *_excerpt(mark)]
    return lines


def _excerpt(mark: Mark | None) -> list[str]:
    """The line under the mark and a caret, or nothing where there is no text to show."""
    if mark is None or not 1 <= mark.line <= len(mark.source.lines):
        return []
    line = mark.source.lines[mark.line - 1]
    if not line.strip():
        return []
    column = min(max(mark.column - 1, 0), len(line))
    start, stop = 0, len(line)
    if len(line) > _EXCERPT_WIDTH:
        start = min(max(column - _EXCERPT_WIDTH // 2, 0), len(line) - _EXCERPT_WIDTH)
        stop = start + _EXCERPT_WIDTH
    before, after = printable(line[start:column]), printable(line[column:stop])
    before = f"…{before}" if start else before
    after = f"{after}…" if stop < len(line) else after
    number = str(mark.line)
    # the caret is aligned by what a terminal shows, where an ideograph takes two columns
    caret = " " * sum(_columns(character) for character in before)
    return [f"  {number} | {before}{after}", f"  {' ' * len(number)} | {caret}^"]


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def first_line(error: BaseException) -> str:
    """What an error says first, without a place and a code; the name of its class where it says nothing."""
    problems = getattr(error, "problems", ())
    said = problems[0].message if problems else str(error)
    return (said.strip() or type(error).__name__).splitlines()[0]


def with_code(message: str, code: str) -> str:
    """A message of one line, and its code behind it."""
    return f"{message} [{code}]" if code else message


def printable(text: str) -> str:
    """Foreign text as a terminal may have it: tabs become spaces, and whatever does not print, or hides, is escaped."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else " " if character == "\t" else ascii(character)[1:-1]
        for character in text
    )


def _one_line(text: str) -> str:
    return printable(text.replace("\n", "\\n"))
