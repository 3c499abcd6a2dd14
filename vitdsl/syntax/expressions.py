"""`$name` and `$(expression)`: values that are known only where they are used.

An expression is compiled once (see `arithmetic`); evaluation is what a search spends its time on.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from vitdsl.errors import ExpressionError
from vitdsl.syntax.evaluator import (
    ALLOWED,
    MAX_INT,
    MAX_NODES,
    Compiler,
    Env,
    Run,
    Unsettled,
    constant,
    element,
    name_of,
    show,
)

MAX_CHARACTERS = 1_000
_SEGMENT = re.compile(r"\$(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<text>[^\s.$()]+)")
_QUOTE = 'between { } or [ ] of YAML an expression with , [ ] { } in it must be quoted: "$(min(dim, 64))"'


@dataclass(frozen=True, slots=True)
class Late(Unsettled):
    """A value that is known only where it is used; equal to another by its text.

    Attributes:
        text: as written, `$name` or `$(expression)`.
        names: the names that it reads.
        is_expression: whether it is `$(…)`, which computes what its names stand for.
    """

    text: str
    names: frozenset[str] = field(compare=False, repr=False)
    _run: Run = field(compare=False, repr=False)
    is_expression: bool = field(default=False, compare=False, repr=False)

    def evaluate(self, env: Env) -> object:
        """Return the value in an environment.

        Args:
            env: values by name.

        Returns:
            `$name`: whatever the name stands for. A dotted name: the element, or the joined text. `$(…)`: a finite
            number, int where it is integral, or a truth.

        Raises:
            ExpressionError: naming the expression and its values.
        """
        return self._run(env)

    def __str__(self) -> str:
        """As written, for messages."""
        return self.text

    def __reduce__(self) -> tuple[Callable[[str], Late | str], tuple[str]]:
        """Pickle and copy by text; functions cannot be."""
        return parse, (self.text,)


def parse(text: str) -> Late | str:
    """Read a value that may be late.

    Args:
        text: any text.

    Returns:
        The text itself if there is no `$` in it, and a `Late` otherwise.

    Raises:
        ExpressionError: if there is a `$`, but neither `$name`, nor a dotted name, nor `$(expression)`.
    """
    return _parse(text) if "$" in text else text


def term(value: int | float | Late) -> str:
    """A value as a term of another expression.

    Raises:
        ExpressionError: it is a text.
    """
    if not isinstance(value, Late):
        return str(value)
    text = value.text.strip()
    if text.startswith("$("):
        return f"({text[2:-1]})"
    first, *keys = text.split(".")
    if not first.startswith("$"):
        raise ExpressionError(f"{show(text)} is a text, not a number", code="E211")
    shown = (key[1:] if key.startswith("$") else key if key.isdigit() else repr(key) for key in keys)
    return first[1:] + "".join(f"[{key}]" for key in shown)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Late:
    stripped = text.strip()
    if len(stripped) > MAX_CHARACTERS:
        raise ExpressionError(f"{show(stripped)} is longer than {MAX_CHARACTERS} characters", code="E507")
    return _parse_expression(stripped) if stripped.startswith("$(") else _parse_dotted(stripped)


def _parse_dotted(text: str) -> Late:
    matches = [_SEGMENT.fullmatch(part) for part in text.split(".")]
    segments = [(match["name"], match["text"]) for match in matches if match is not None]
    if len(segments) < len(matches):
        hint = "$name stands for a value or for one segment of a dotted name, $(…) for a whole value"
        raise ExpressionError(f"{show(text)} is neither a name nor an expression", hint, "E210")
    names = frozenset(name for name, _ in segments if name)
    label = show(text)
    if len(segments) == 1:
        return Late(text, names, name_of(segments[0][0] or "", label))
    return Late(text, names, _dotted(segments, label))


def _dotted(segments: list[tuple[str | None, str]], text: str) -> Run:
    runs = [name_of(name, text) if name else constant(literal) for name, literal in segments]

    def run(env: Env) -> object:
        value, *keys = (step(env) for step in runs)
        for key in keys:
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise ExpressionError(f"{text}: {show(key)} cannot be a segment of a dotted name", code="E211")
            value = f"{value}.{key}" if isinstance(value, str) else element(value, key, text)
            if isinstance(value, str) and len(value) > MAX_CHARACTERS:
                message = f"{text} stands for a text of more than {MAX_CHARACTERS:,} characters"
                raise ExpressionError(message, code="E507")
        return value

    return run


def _parse_expression(text: str) -> Late:
    inner = text[2 : _closing(text)]
    # parentheses and one line: what YAML folded, or wrote in several lines, reads alike
    shift = 3 + len(inner) - len(inner.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "1or 2", "\d"
            tree = ast.parse(" ".join(re.split(r"[\r\n\t]", inner)).strip(), mode="eval").body
    except SyntaxError as error:
        # Python gives 0, or a place behind the text, where the text ends too early
        column = min(shift + error.offset - 1, len(text)) if error.offset else len(text)
        raise ExpressionError(f"{show(text)}: {error.msg} (column {column})", ALLOWED, "E210") from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError(f"{show(text)} cannot be read", ALLOWED, "E210") from None
    if sum(isinstance(node, ast.expr) for node in ast.walk(tree)) > MAX_NODES:
        raise ExpressionError(f"{show(text)} has more than {MAX_NODES} terms", code="E507")
    compiler = Compiler(text, shift)
    run = compiler.compile(tree)
    return Late(text, frozenset(compiler.names), _result(run, text), True)


def _closing(text: str) -> int:
    """Where the parenthesis closes that opens the expression; it must be the end."""
    level, quote = 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "#\\":
            message = f"{show(text)}: {character!r} has no meaning here (column {position + 1})"
            raise ExpressionError(message, ALLOWED, "E210")
        level += 0 if quote else (character == "(") - (character == ")")
        if level == 0 and character == ")" and not quote:
            if position + 1 < len(text):
                message = f"{show(text)}: the expression ends at column {position + 1}, before the text does"
                raise ExpressionError(message, "write the whole value as one $(…)", "E210")
            return position
    raise ExpressionError(f"{show(text)}: a parenthesis or quote is not closed", _QUOTE, "E210")


def _result(run: Run, text: str) -> Run:
    """Check the value of a whole expression; an integral float becomes an int, so that dim / 2 can be a width."""
    text = show(text)

    def result(env: Env) -> int | float:
        value = run(env)
        kind = type(value)
        if kind is int:
            if -MAX_INT <= value <= MAX_INT:
                return value
        elif kind is bool:
            return value
        elif kind is float and math.isfinite(value):
            return int(value) if value.is_integer() and abs(value) <= MAX_INT else value
        if kind is int or kind is float:
            raise ExpressionError(f"{text}: {show(value)} is too large", code="E211")
        message = f"{text}: the result is {show(value)}, neither a number nor a truth"
        raise ExpressionError(message, "write $name for it", "E211")

    return result


class LateList(list):
    """A list of plain values, some of them late: a late value itself."""

    def evaluate(self, env: Mapping[str, object] | Names) -> list[object]:
        """The list with every late value put in."""
        return [settled(value, env) if isinstance(value, Late) else value for value in self]


class Names:
    """What names stand for, where it is noted which late values are put in: whole, not name by name."""

    __slots__ = ()

    def evaluate(self, late: Late) -> object:
        """The value of a late value.

        Raises:
            ExpressionError: it cannot be computed here.
        """
        raise NotImplementedError


def settled(value: Late | LateList, env: Mapping[str, object] | Names) -> Any:
    """A late value put in; a variable that is late itself is computed where it is used.

    Raises:
        ExpressionError: it cannot be computed here.
    """
    if isinstance(value, LateList):
        return value.evaluate(env)
    made: Any = env.evaluate(value) if isinstance(env, Names) else value.evaluate(env)
    if isinstance(made, list) and any(isinstance(entry, Late) for entry in made):
        return LateList(made).evaluate(env)
    return settled(made, env) if isinstance(made, Late) and made != value else made
