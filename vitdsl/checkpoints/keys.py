"""Key templates: `blocks.{2*i+1}.attn.{p=weight|bias}`.

A hole `{name}` is one segment of a dotted key, `{name*}` the rest of it, `{name=a|b}` one of those segments. Where a
template is formatted, a hole may be integer arithmetic in the names that were matched on the other side.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

_HOLE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"([A-Za-z_]\w*)(\*|=[\w|]+)?")
_MAX_TEXT, _MAX_EXPONENT = 64, 16
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True)
class Arithmetic:
    """An integer expression: + - * // % ** of names and numbers, bounded in size."""

    text: str
    tree: ast.expr

    @classmethod
    def parse(cls, text: str) -> Arithmetic:
        """Read `text`; raises ValueError where it is anything but integer arithmetic."""
        if len(text) > _MAX_TEXT:
            raise ValueError(f"the expression `{text[:_MAX_TEXT]}...` is longer than {_MAX_TEXT} characters")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except SyntaxError:
            raise ValueError(f"`{text}` is neither a name nor integer arithmetic") from None
        for node in ast.walk(tree):
            integer = isinstance(node, ast.Constant) and type(node.value) is int
            if not (integer or type(node) in _OPERATORS or isinstance(node, (ast.BinOp, ast.Name, ast.Load))):
                raise ValueError(f"`{text}` is not integer arithmetic of names with + - * // % **")
        return cls(text.strip(), tree)

    @property
    def names(self) -> set[str]:
        """The names that it reads."""
        return {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}

    def value(self, bound: Mapping[str, int]) -> int:
        """What it comes to; raises ValueError where it has no value, or a negative one."""
        try:
            result = _evaluate(self.tree, bound)
        except (ZeroDivisionError, KeyError) as error:
            raise ValueError(f"`{self.text}` has no value for {dict(bound)}") from error
        if result < 0:
            raise ValueError(f"`{self.text}` is {result} for {dict(bound)}; it must not be negative")
        return result


def _evaluate(tree: ast.expr, bound: Mapping[str, int]) -> int:
    if isinstance(tree, ast.Constant):
        assert isinstance(tree.value, int)
        return tree.value
    if isinstance(tree, ast.Name):
        return bound[tree.id]
    assert isinstance(tree, ast.BinOp)
    left, right = _evaluate(tree.left, bound), _evaluate(tree.right, bound)
    if isinstance(tree.op, ast.Pow) and not 0 <= right <= _MAX_EXPONENT:
        raise ValueError(f"an exponent of {right} is refused; it may be 0 to {_MAX_EXPONENT}")
    return _OPERATORS[type(tree.op)](left, right)


@dataclass(frozen=True)
class Hole:
    """What stands between braces: a name (perhaps of the rest, or restricted), or arithmetic."""

    name: str = ""
    rest: bool = False
    choices: tuple[str, ...] = ()
    arithmetic: Arithmetic | None = None

    @classmethod
    def parse(cls, text: str) -> Hole:
        """Read the text between the braces."""
        named = _NAME.fullmatch(text.strip())
        if named is None:
            return cls(arithmetic=Arithmetic.parse(text))
        suffix = named[2] or ""
        choices = tuple(suffix[1:].split("|")) if suffix.startswith("=") else ()
        if choices and not all(choices):
            raise ValueError(f"`{{{text}}}` has an empty choice")
        return cls(named[1], suffix == "*", choices)


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
        """The names in it, those of its arithmetic included."""
        return {name for hole in self.holes for name in (hole.arithmetic.names if hole.arithmetic else {hole.name})}

    @property
    def numbers(self) -> set[str]:
        """The names that its arithmetic reads: they can only be numbers."""
        return {name for hole in self.holes if hole.arithmetic for name in hole.arithmetic.names}

    def regex(self, numbers: Iterable[str], choices: Mapping[str, tuple[str, ...]]) -> re.Pattern[str]:
        """The anchored expression that matches its keys.

        Args:
            numbers: names that match digits only.
            choices: names that match one of these segments only.

        Raises:
            ValueError: where it holds arithmetic, which can be formatted but not matched.
        """
        numbers, seen, out = set(numbers), set(), []
        for piece in self.pieces:
            if isinstance(piece, str):
                out.append(re.escape(piece))
            elif piece.arithmetic:
                found = piece.arithmetic.text
                raise ValueError(f"`{self.text}` is matched on keys, so its holes are names, not `{found}`")
            elif piece.name in seen:
                out.append(f"(?P={piece.name})")
            else:
                seen.add(piece.name)
                segment = "[0-9]+" if piece.name in numbers else ".+" if piece.rest else "[^.]+"
                segment = "|".join(map(re.escape, choices[piece.name])) if piece.name in choices else segment
                out.append(f"(?P<{piece.name}>{segment})")
        return re.compile("".join(out))

    def format(self, bound: Mapping[str, str]) -> str:
        """The key for these values of its names."""
        numbers = as_numbers(bound)
        return "".join(
            piece
            if isinstance(piece, str)
            else str(piece.arithmetic.value(numbers))
            if piece.arithmetic
            else bound[piece.name]
            for piece in self.pieces
        )


def as_numbers(bound: Mapping[str, str]) -> dict[str, int]:
    """Those of the matched segments that are numbers."""
    return {name: int(value) for name, value in bound.items() if value.isdecimal()}
