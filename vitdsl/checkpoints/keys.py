"""Key templates: `blocks.{2*i+1}.attn.{p=weight|bias}`.

A hole `{name}` is one segment of a dotted key, `{name*}` the rest of it, `{name=a|b}` one of those segments. Where a
template is formatted, a hole may be an expression of the language in the names that were matched on the other side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vitdsl.errors import ExpressionError
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.expressions import parse as parse_late

_HOLE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"([A-Za-z_]\w*)(\*|=[\w|]+)?")


def expression(text: str) -> Late:
    """An expression of the language, written without its `$( )`; raises ValueError where it is none."""
    try:
        found = parse_late(f"$({text})")
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    assert isinstance(found, Late)
    return found


def number(value: int | str, known: Mapping[str, Any]) -> int:
    """An integer, or what an expression comes to; raises ValueError where that is none, or a negative one."""
    try:
        found = value if isinstance(value, int) else expression(value).evaluate(known)
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    if type(found) is not int or found < 0:
        names = {} if isinstance(value, int) else {name: known[name] for name in sorted(expression(value).names)}
        at = " where " + ", ".join(f"{name} is {each}" for name, each in names.items()) if names else ""
        raise ValueError(f"`{value}` is {found}{at}; it must be an integer that is not negative")
    return found


@dataclass(frozen=True)
class Hole:
    """What stands between braces: a name (perhaps of the rest, or restricted), or an expression."""

    name: str = ""
    rest: bool = False
    choices: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> Hole:
        """Read the text between the braces."""
        named = _NAME.fullmatch(text.strip())
        if named is None:
            expression(text)
            return cls(text=text)
        suffix = named[2] or ""
        choices = tuple(suffix[1:].split("|")) if suffix.startswith("=") else ()
        if choices and not all(choices):
            raise ValueError(f"`{{{text}}}` has an empty choice")
        return cls(named[1], suffix == "*", choices)

    @property
    def names(self) -> set[str]:
        """The names in it."""
        return set(expression(self.text).names) if self.text else {self.name}


@dataclass(frozen=True)
class Template:
    """A dotted key with holes, to match keys or to make them."""

    text: str
    pieces: tuple[str | Hole, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template; raises ValueError with what is wrong in it."""
        parts = _HOLE.split(text)
        if not text or any(set(part) & set("{} ") for part in parts[0::2]):
            raise ValueError(f"`{text}` is not a dotted key with {{holes}}")
        pieces = [Hole.parse(part) if index % 2 else part for index, part in enumerate(parts)]
        return cls(text, tuple(piece for piece in pieces if piece != ""))

    @property
    def holes(self) -> tuple[Hole, ...]:
        """Its holes, from left to right."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Hole))

    @property
    def names(self) -> set[str]:
        """The names in it, those of its expressions included."""
        return {name for hole in self.holes for name in hole.names}

    @property
    def numbers(self) -> set[str]:
        """The names that its expressions read: they can only be numbers."""
        return {name for hole in self.holes if hole.text for name in hole.names}

    def regex(self, numbers: Iterable[str], choices: Mapping[str, tuple[str, ...]]) -> re.Pattern[str]:
        """The anchored regular expression that matches its keys.

        Args:
            numbers: names that match digits only.
            choices: names that match one of these segments only.

        Raises:
            ValueError: where it holds an expression, which can be formatted but not matched.
        """
        numbers, before, out = set(numbers), set(), []
        for piece in self.pieces:
            if isinstance(piece, str):
                out.append(re.escape(piece))
            elif piece.text:
                raise ValueError(f"`{self.text}` is matched on keys, so its holes are names, not `{piece.text}`")
            elif piece.name in before:
                out.append(f"(?P={piece.name})")
            else:
                before.add(piece.name)
                segment = "[0-9]+" if piece.name in numbers else ".+" if piece.rest else "[^.]+"
                segment = "|".join(map(re.escape, choices[piece.name])) if piece.name in choices else segment
                out.append(f"(?P<{piece.name}>{segment})")
        return re.compile("".join(out))

    def format(self, bound: Mapping[str, str], known: Mapping[str, Any] | None = None) -> str:
        """The key for these values of its names; its expressions may also read what a table knows."""
        env = {**(known or {}), **as_numbers(bound)}
        return "".join(
            piece if isinstance(piece, str) else str(number(piece.text, env)) if piece.text else bound[piece.name]
            for piece in self.pieces
        )


def as_numbers(bound: Mapping[str, str]) -> dict[str, int]:
    """Those of the matched segments that are numbers."""
    return {name: int(value) for name, value in bound.items() if value.isdecimal()}
