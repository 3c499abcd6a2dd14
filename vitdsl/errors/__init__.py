"""What the user did wrong, and where: problems with positions, and the one renderer that prints them.

Every error of the language ends up as a `SpecError` holding `Problem`s. What is found by code that knows no positions
(a shape rule sees features, never files) is raised as `ShapeError` or `ExpressionError`, and given its path and mark by
the code around it.

Each error that vitdsl writes itself has a code, such as `E201`, which names its kind; `catalogue` explains each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn

from vitdsl.errors.near import did_you_mean, meant, near, one_of
from vitdsl.errors.problems import LINE_BREAK, Mark, Problem, Source, first_line, printable, render, with_code

__all__ = [
    "AttentionError", "CheckpointError", "ExpressionError", "Fault", "ImageError", "InputError", "Mark", "Problem",
    "Refusal", "RimError", "ShapeError", "Source", "SpecError", "did_you_mean", "first_line", "meant", "near",
    "one_of", "printable", "refuse", "render",
]  # fmt: skip
MAX_PROBLEMS = 100
"""How many problems an error holds."""
LISTED_PROBLEMS = 20
"""How many problems below one headline are shown."""


class InputError(ValueError):
    """What a user gave is wrong; `problems` says everything that is.

    Args:
        problems: one problem, several, or bare messages. Duplicates are removed, and those without a mark come last; of
            more than `MAX_PROBLEMS` the first ones are kept, and the number of the others.
        code: the code of the bare messages.
    """

    problems: tuple[Problem, ...]

    def __init__(self, problems: Problem | str | Iterable[Problem | str], code: str = "") -> None:
        given = (problems,) if isinstance(problems, (Problem, str)) else tuple(problems)
        found = (Problem(each, code=code) if isinstance(each, str) else each for each in given)
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


class AttentionError(InputError):
    """An attention map was asked for where there is none, or where it cannot be had."""


class SpecError(InputError):
    """A spec is wrong; `problems` says everything that is, in the order of the file."""


class CheckpointError(InputError):
    """Weights are wrong or do not fit, or a table of keys is wrong.

    Args:
        headline: what it is about; empty where the problems say it.
        problems: everything that is wrong; the message shows the first of them.
        code: the code of the headline, or of bare messages where there is none.
    """

    def __init__(self, headline: str, problems: Iterable[Problem | str] = (), code: str = "") -> None:
        super().__init__(problems, "" if headline else code)
        self.headline, self.code = headline, code
        self.args = (headline, self.problems, code)

    def __str__(self) -> str:
        """The headline, and below it the first problems."""
        if not self.headline:
            return render(self.problems)
        first, *rest = map(printable, LINE_BREAK.split(self.headline))
        lines = [with_code(first, self.code), *rest]
        lines += [f"  - {_indented(problem)}" for problem in self.problems[:LISTED_PROBLEMS]]
        more = len(self.problems) - LISTED_PROBLEMS
        return "\n".join([*lines, f"  - ... and {more} more."] if more > 0 else lines)


class ShapeError(Exception):
    """A shape rule refuses the features it was given.

    Args:
        message: what does not fit, with both numbers.
        hint: what would.
        at: where it is, below the part or item whose rule this is: `("heads",)`.
        code: the code of its kind; the parts of other packages have none.

    Attributes:
        trail: path segments appended by enclosing code while the error propagates, so the innermost comes first.
        work: how many items of the spec were elaborated before.
    """

    work = 0

    def __init__(self, message: str, hint: str = "", at: tuple[str | int, ...] = (), code: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        self.code = code
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
        code: the code of its kind.
    """

    def __init__(
        self,
        message: str,
        hint: str,
        grid: tuple[int, int],
        near: tuple[tuple[int, int], tuple[int, int]],
        code: str = "",
    ) -> None:
        super().__init__(message, hint, code=code)
        self.grid, self.near = grid, near


class ExpressionError(Exception):
    """A `$name` or `$(expression)` cannot be read, or has no value.

    Args:
        message: what is wrong; names the expression.
        hint: what to write instead.
        code: the code of its kind.
    """

    def __init__(self, message: str, hint: str = "", code: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        """Return the message alone."""
        return self.message


class Fault(NamedTuple):
    """One thing that is wrong with a value, told by code that does not know where the value stands.

    Args:
        at: where, below the value.
        message: what was found and what was expected.
        hint: the nearest right answer.
        code: the code of its kind; the parts of other packages have none.
    """

    at: tuple[str | int, ...]
    message: str
    hint: str = ""
    code: str = ""

    def below(self, *place: str | int) -> Fault:
        """The same fault, as a value sees it that holds this one at `place`."""
        return self._replace(at=(*place, *self.at))


class Refusal(ValueError):
    """Several refusals of a value at once."""

    def __init__(self, items: Iterable[Fault]) -> None:
        self.items = [*items]
        super().__init__("; ".join(fault.message for fault in self.items))


def refuse(message: str, hint: str = "", at: tuple[str | int, ...] = (), code: str = "") -> NoReturn:
    """Refuses a value while it is being validated."""
    raise Refusal([Fault(at, message, hint, code)])


def _indented(problem: Problem) -> str:
    """A problem below a headline."""
    return str(problem).replace("\n", "\n    ")


def _order(problem: Problem) -> tuple[bool, str, int, int]:
    """Sort key: file, line, column; what has no position last, in the order in which it was found."""
    mark = problem.mark
    return (True, "", 0, 0) if mark is None else (False, mark.source.name, mark.line, mark.column)
