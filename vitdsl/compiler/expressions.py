"""Expressions of generated code: their numbers may become arguments, and long lines are broken at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

WIDTH = 100
"""Maximum columns of a line, if it can be broken."""


class Slot(NamedTuple):
    """A number in an expression, which may differ between instances of a class with the same code.

    Attributes:
        value: the number, or a tuple of numbers.
        name: name of an argument in its place.
        letters: the text for a number that differs, in a comment; empty: it becomes an argument.
        before: text in front of the number, which is left out with it.
        default: the number is left out if it equals this in all instances.
    """

    value: object
    name: str
    letters: str = ""
    before: str = ""
    default: object = None


class Apply(NamedTuple):
    """A call, a tuple or a list.

    Attributes:
        head: the text up to the opening bracket, included.
        arguments: the expressions in the bracket.
        close: the closing bracket.
    """

    head: str
    arguments: tuple[Expression, ...]
    close: str = ")"


Expression = str | Slot | Apply | tuple["Expression", ...]
"""A plain tuple is a concatenation of expressions."""


def pieces(expression: Expression) -> Iterator[str | Slot]:
    """The texts and slots of an expression on one line."""
    if isinstance(expression, (str, Slot)):
        yield expression
    elif isinstance(expression, Apply):
        yield expression.head
        for number, each in enumerate(expression.arguments):
            if number:
                yield ", "
            yield from pieces(each)
        yield expression.close
    else:
        for each in expression:
            yield from pieces(each)


def slots(expression: Expression) -> Iterator[Slot]:
    """The slots of an expression, in order."""
    return (each for each in pieces(expression) if isinstance(each, Slot))


def filled(expression: Expression, texts: Iterator[str]) -> Expression:
    """The expression with texts in its slots; an argument with an empty text is left out.

    Args:
        expression: the expression.
        texts: the texts of the slots, in order.
    """
    if isinstance(expression, str):
        return expression
    if isinstance(expression, Slot):
        text = next(texts)
        return f"{expression.before}{text}" if text else ""
    if isinstance(expression, Apply):
        arguments = (filled(each, texts) for each in expression.arguments)
        return expression._replace(arguments=tuple(each for each in arguments if each != ""))
    return tuple(filled(each, texts) for each in expression)


def quoted(text: str) -> str:
    """A string literal."""
    found = repr(text)
    return f'"{found[1:-1]}"' if found[0] == "'" and '"' not in found else found


def in_line(expression: Expression) -> str:
    """The expression on one line; a slot becomes a zero byte."""
    return "".join(each if isinstance(each, str) else "\0" for each in pieces(expression))


def in_lines(expression: Expression, indent: int, before: str = "", after: str = "") -> list[str]:
    """The lines of an expression; a bracket is broken if its line is too long.

    Args:
        expression: the expression.
        indent: columns before it.
        before: text in front of it.
        after: text behind it.
    """
    whole = " " * indent + before + in_line(expression) + after
    if len(whole) <= WIDTH or isinstance(expression, (str, Slot)):
        return [whole]
    if isinstance(expression, Apply):
        if not expression.arguments:
            return [whole]
        lines = [" " * indent + before + expression.head]
        if all(map(_is_flat, expression.arguments)):
            lines += _packed([in_line(each) for each in expression.arguments], indent + 4)
        else:
            lines += [line for each in expression.arguments for line in in_lines(each, indent + 4, after=",")]
        return [*lines, " " * indent + expression.close + after]
    breakable = [number for number, each in enumerate(expression) if isinstance(each, Apply) and each.arguments]
    breakable += [number for number, each in enumerate(expression) if _is_nested(each)]
    if not breakable:
        return [whole]
    at = max(breakable, key=lambda number: len(in_line(expression[number])))
    front, back = in_line(expression[:at]), in_line(expression[at + 1 :])
    return in_lines(expression[at], indent, before + front, back + after)


def _is_flat(expression: Expression) -> bool:
    """Whether an expression has no call with arguments."""
    if isinstance(expression, Apply):
        return not expression.arguments
    return isinstance(expression, (str, Slot)) or all(map(_is_flat, expression))


def _packed(texts: list[str], indent: int) -> list[str]:
    """The texts on as few lines as possible."""
    lines = [" " * indent + texts[0]]
    for text in texts[1:]:
        if len(lines[-1]) + len(text) + 3 <= WIDTH:
            lines[-1] += f", {text}"
        else:
            lines[-1] += ","
            lines.append(" " * indent + text)
    lines[-1] += ","
    return lines


def _is_nested(expression: Expression) -> bool:
    return isinstance(expression, tuple) and not isinstance(expression, (Slot, Apply))
