"""What the user did wrong, and where: problems with positions, and the one renderer that prints them.

Every error of the language ends up as a `SpecError` holding `Problem`s. What is found by code that knows no positions
(a shape rule sees features, never files) is raised as `ShapeError` or `ExpressionError`, and given its path and mark by
the code around it.
"""

from __future__ import annotations

import difflib
import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

_BREAK = re.compile(r"\r\n|\r|\n")
_EXCERPT_WIDTH = 100
MAX_PROBLEMS = 100
"""How many problems an error holds."""
_FEW = 8
_LONGEST_NAME = 80
LISTED_PROBLEMS = 20
"""How many problems below one headline are shown."""
_NEAR = 0.61  # of difflib's ratio; at its usual 0.6, `vars` would be near `layers`


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
            lines = _BREAK.split(self.text)
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
    """

    message: str
    path: str = ""
    mark: Mark | None = None
    hint: str = ""
    notes: tuple[tuple[str, Mark | None], ...] = ()

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


class InputError(ValueError):
    """What a user gave is wrong; `problems` says everything that is.

    Args:
        problems: one problem, several, or bare messages. Duplicates are removed, and those without a mark come last; of
            more than `MAX_PROBLEMS` the first ones are kept, and the number of the others.
    """

    problems: tuple[Problem, ...]

    def __init__(self, problems: Problem | str | Iterable[Problem | str]) -> None:
        given = (problems,) if isinstance(problems, (Problem, str)) else tuple(problems)
        found = (Problem(each) if isinstance(each, str) else each for each in given)
        ordered = sorted(dict.fromkeys(found), key=_order)
        more = len(ordered) - MAX_PROBLEMS
        rest = [Problem(f"… and {more:,} more problems")] if more > 1 else []
        self.problems = (*ordered[: MAX_PROBLEMS if rest else None], *rest)
        # pickle and copy call the class with `args`
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Render all problems."""
        return render(self.problems)


class ImageError(InputError):
    """A model was fed what it was not built for: an image of another size, or no batch of images at all."""


class SpecError(InputError):
    """A spec is wrong; `problems` says everything that is, in the order of the file."""


class CheckpointError(InputError):
    """Weights are wrong or do not fit, or a table of keys is wrong.

    Args:
        headline: what it is about; empty where the problems say it.
        problems: everything that is wrong; the message shows the first of them.
    """

    def __init__(self, headline: str, problems: Iterable[Problem | str] = ()) -> None:
        super().__init__(problems)
        self.headline = headline
        self.args = (headline, self.problems)

    def __str__(self) -> str:
        """The headline, and below it the first problems."""
        if not self.headline:
            return render(self.problems)
        lines = [*map(printable, _BREAK.split(self.headline))]
        lines += [f"  - {_indented(problem)}" for problem in self.problems[:LISTED_PROBLEMS]]
        more = len(self.problems) - LISTED_PROBLEMS
        return "\n".join([*lines, f"  - ... and {more} more."] if more > 0 else lines)


class ShapeError(Exception):
    """A shape rule refuses the features it was given.

    Args:
        message: what does not fit, with both numbers.
        hint: what would.
        at: where it is, below the part or item whose rule this is: `("heads",)`.

    Attributes:
        trail: path segments appended by enclosing code while the error propagates, so the innermost comes first.
    """

    def __init__(self, message: str, hint: str = "", at: tuple[str | int, ...] = ()) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        self.trail: list[Any] = [*reversed(at)]

    def __str__(self) -> str:
        """Return the message alone."""
        return self.message


class RimError(ShapeError):
    """Windows that must tile a grid leave rows or columns out at its rim.

    Args:
        message: how many.
        hint: what to do.
        grid: rows and columns of the grid.
        near: for each axis, the nearest length that fits below and the nearest one above; the length itself, where it
            fits.
    """

    def __init__(
        self, message: str, hint: str, grid: tuple[int, int], near: tuple[tuple[int, int], tuple[int, int]]
    ) -> None:
        super().__init__(message, hint)
        self.grid, self.near = grid, near


class ExpressionError(Exception):
    """A `$name` or `$(expression)` cannot be read, or has no value.

    Args:
        message: what is wrong; names the expression.
        hint: what to write instead.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message alone."""
        return self.message


class Refusal(ValueError):
    """Several refusals at once; each is (location below this value, message, hint)."""

    def __init__(self, items: list[tuple[tuple[str | int, ...], str, str]]) -> None:
        super().__init__("; ".join(message for _, message, _ in items))
        self.items = items


def refuse(message: str, hint: str = "", at: tuple[str | int, ...] = ()) -> NoReturn:
    """Refuses a value while it is being validated."""
    raise Refusal([(at, message, hint)])


def near(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, or None; case does not count.

    A known word of the name is near, the last one first (`size` for `patch_size`). Of several names that are equally
    near, it is the one that begins alike: what is mistyped is rather the end.
    """
    if len(name) > _LONGEST_NAME:  # difflib is quadratic, and no name is that long
        return None
    by_folded: dict[str, str] = {}
    for candidate in sorted(known):
        by_folded.setdefault(candidate.casefold(), candidate)
    folded = name.casefold()
    words = [word for word in reversed(folded.split("_")) if word in by_folded]
    if words:
        return by_folded[words[0]]

    def likeness(candidate: str) -> tuple[float, int]:
        ratio = difflib.SequenceMatcher(None, candidate, folded).ratio()
        same = itertools.takewhile(bool, map(str.__eq__, candidate, folded))
        return ratio, sum(same)

    found = max(difflib.get_close_matches(folded, by_folded, cutoff=_NEAR), key=likeness, default=None)
    return None if found is None else by_folded[found]


def one_of(names: Iterable[str]) -> str:
    """Return the names, sorted and separated by commas."""
    return ", ".join(sorted(set(names)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint: the near name as a question, or without one all that are known, where they are few."""
    names = set(known)
    candidate = near(name, names)
    if candidate is not None:
        return f"did you mean {candidate!r}?"
    return f"known: {one_of(names)}" if 0 < len(names) <= _FEW else ""


def render(problems: Iterable[Problem]) -> str:
    """Return the text of the problems: stable, plain, without colours; control characters are escaped."""
    blocks = [str(problem) for problem in problems]
    if len(blocks) > 1:
        blocks.append(f"{len(blocks)} problems")
    return "\n".join(blocks)


def _indented(problem: Problem) -> str:
    """A problem below a headline."""
    return str(problem).replace("\n", "\n    ")


def _order(problem: Problem) -> tuple[bool, str, int, int]:
    """Sort key: file, line, column; what has no position last, in the order in which it was found."""
    mark = problem.mark
    return (True, "", 0, 0) if mark is None else (False, mark.source.name, mark.line, mark.column)


def _problem_lines(problem: Problem) -> list[str]:
    """Header, message, excerpt, hint and notes; without a path the message is the header."""
    message = [printable(line) for line in _BREAK.split(problem.message)]
    place = [] if problem.mark is None else [str(problem.mark)]
    if problem.path:
        lines = [": ".join([*place, _one_line(problem.path)]), *(f"  {line}" for line in message)]
    else:
        lines = [": ".join([*place, message[0]]), *(f"  {line}" for line in message[1:])]
    lines += _excerpt(problem.mark)
    if problem.hint:
        first, *rest = (printable(line) for line in _BREAK.split(problem.hint))
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
