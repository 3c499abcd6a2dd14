"""The arithmetic of `$(expression)`: Python's `ast`, allow-listed, compiled once to nested functions.

Nothing is ever given to `eval`, and every step is judged before or right after it is computed: values stay finite and
integers within `MAX_INT`. `expressions` is what others import.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import reprlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

from vitdsl.errors import ExpressionError, did_you_mean

Env = Mapping[str, object]
Run = Callable[[Env], Any]

MAX_NODES = 100
MAX_INT = 10**15
_MAX_BITS = math.log2(MAX_INT)
_MAX_DIGITS = 15  # of round()
_LITERALS = {"true": True, "false": False}
ALLOWED = "an expression has numbers, names, + - * / // % **, comparisons, and or not, min max round ceil and a[0]"


def _power(base: Any, exponent: Any) -> Any:
    # judged before it is computed: 9 ** 9 ** 9 would not come back
    whole = isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1
    if whole and exponent * math.log2(abs(base)) > _MAX_BITS + 1:
        raise OverflowError
    return base**exponent


_BINARY: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.Pow: ("**", _power),
}
_COMPARE: dict[type, tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}


def _round(value: Any, digits: Any = 0) -> Any:
    if not isinstance(digits, int) or abs(digits) > _MAX_DIGITS:
        raise ValueError(f"the digits of round are an integer within ±{_MAX_DIGITS}")
    return round(value, digits) if digits else round(value)


_CALLS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "min": (min, 1, MAX_NODES),
    "max": (max, 1, MAX_NODES),
    "round": (_round, 1, 2),
    "ceil": (math.ceil, 1, 1),
}


class Compiler:
    """Turns the nodes of one expression, at most `MAX_NODES` of them, into functions.

    Args:
        text: the expression, for messages.
        shift: column of its first character.

    Attributes:
        names: the names that it reads.
    """

    def __init__(self, text: str, shift: int) -> None:
        self.text = show(text)
        self.shift = shift
        self.names: set[str] = set()

    def compile(self, node: ast.expr) -> Run:
        """Return the function that evaluates a node; refuse what is not on the list."""
        method = getattr(self, type(node).__name__.lower(), None) if type(node) in _NODES else None
        if method is None:
            self.refuse(node, _UNWANTED.get(type(node), "this is not part of an expression"))
        return method(node)

    def refuse(self, node: ast.expr, message: str, hint: str = ALLOWED) -> NoReturn:
        raise ExpressionError(f"{self.text}: {message} (column {self.shift + node.col_offset})", hint, "E210")

    def constant(self, node: ast.Constant) -> Run:
        if not isinstance(node.value, bool | int | float | str):
            self.refuse(node, f"{show(node.value)} is neither a number nor a truth nor a text")
        limit = MAX_INT if isinstance(node.value, int) else sys.float_info.max
        if not isinstance(node.value, str) and node.value > limit:
            self.refuse(node, "this number is too large", "")
        return constant(node.value)

    def name(self, node: ast.Name) -> Run:
        if node.id in _LITERALS:
            return constant(_LITERALS[node.id])
        self.names.add(node.id)
        return settling(name_of(node.id, self.text), {node.id})

    def unaryop(self, node: ast.UnaryOp) -> Run:
        run, text = self.compile(node.operand), self.text
        if isinstance(node.op, ast.Not):
            return lambda env: not _number(run(env), text, "not")
        if isinstance(node.op, ast.USub):
            return lambda env: -_number(run(env), text, "-")
        if isinstance(node.op, ast.UAdd):
            return lambda env: +_number(run(env), text, "+")
        return self.refuse(node, "'~' is not allowed")

    def binop(self, node: ast.BinOp) -> Run:
        if type(node.op) not in _BINARY:
            self.refuse(node, "this operator is not allowed")
        sign, apply = _BINARY[type(node.op)]
        left, right, text = self.compile(node.left), self.compile(node.right), self.text
        fast, whole = sign in "+-*", sign in ("//", "%")

        def run(env: Env) -> Any:
            a, b = left(env), right(env)
            if type(a) is int and type(b) is int and (fast or (whole and b)):
                value = apply(a, b)
                if -MAX_INT <= value <= MAX_INT:
                    return value
            return _apply(apply, a, b, sign, text)

        return run

    def boolop(self, node: ast.BoolOp) -> Run:
        runs, text = [self.compile(value) for value in node.values], self.text
        sign, stop = ("and", False) if isinstance(node.op, ast.And) else ("or", True)

        def run(env: Env) -> Any:
            value: Any = None
            for step in runs:
                value = _number(step(env), text, sign)
                if bool(value) is stop:
                    break
            return value

        return run

    def compare(self, node: ast.Compare) -> Run:
        for op in node.ops:
            if type(op) not in _COMPARE:
                self.refuse(node, "'in' and 'is' are not allowed")
        first, text = self.compile(node.left), self.text
        pairs = zip(node.ops, node.comparators, strict=True)
        steps = [(*_COMPARE[type(op)], self.compile(right)) for op, right in pairs]

        def run(env: Env) -> bool:
            a = first(env)
            for sign, holds, step in steps:
                b = step(env)
                if sign not in ("==", "!="):
                    _number(a, text, sign)
                    _number(b, text, sign)
                if not holds(a, b):
                    return False
                a = b
            return True

        return run

    def call(self, node: ast.Call) -> Run:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _CALLS:
            self.refuse(node, f"{show(name) if name else 'this'} cannot be called", "only min, max, round and ceil can")
        function, least, most = _CALLS[name]
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            self.refuse(node, f"{name} takes plain arguments only")
        if not least <= len(node.args) <= most:
            self.refuse(node, f"{name} takes {least} to {most} arguments, not {len(node.args)}", "")
        runs, text = [self.compile(argument) for argument in node.args], self.text

        def run(env: Env) -> Any:
            values = [step(env) for step in runs]
            if name in ("min", "max") and len(values) == 1 and isinstance(values[0], list | tuple):
                values = list(values[0])
            for value in values:
                _number(value, text, name)
            try:
                return function(values) if name in ("min", "max") else function(*values)
            except (ValueError, OverflowError) as error:
                raise ExpressionError(f"{text}: {name}({', '.join(map(show, values))}): {error}", code="E211") from None

        return run

    def subscript(self, node: ast.Subscript) -> Run:
        if isinstance(node.slice, ast.Slice | ast.Tuple):
            self.refuse(node, "only one element can be taken", "write a[0]")
        container, key, text = self.compile(node.value), self.compile(node.slice), self.text
        within = {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}
        return settling(lambda env: element(container(env), key(env), text), within)


_NODES = (ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.Call, ast.Subscript)
_UNWANTED = {
    ast.Attribute: "there are no attributes; an element is written a[0] or a['k']",
    ast.IfExp: "there is no 'if'",
    ast.Tuple: "there are no lists in an expression",
    ast.List: "there are no lists in an expression",
    ast.Lambda: "there are no functions in an expression",
}


def _number(value: Any, text: str, sign: str) -> Any:
    """The value, if it is a number or a truth."""
    if not isinstance(value, int | float):
        raise ExpressionError(f"{text}: {sign!r} takes numbers, not {show(value)}", code="E211")
    return value


def _apply(apply: Callable[[Any, Any], Any], a: Any, b: Any, sign: str, text: str) -> int | float:
    """An operator on any values, with everything checked."""
    _number(a, text, sign)
    _number(b, text, sign)
    reason = "is too large"
    try:
        value = apply(a, b)
        if isinstance(value, complex):
            reason = "is not a real number"
        elif math.isfinite(value) if isinstance(value, float) else -MAX_INT <= value <= MAX_INT:
            return value
    except ZeroDivisionError:
        reason = "divides by zero"
    except OverflowError:
        pass
    raise ExpressionError(f"{text}: {show(a)} {sign} {show(b)} {reason}", code="E211")


class Short(reprlib.Repr):
    """Reads no more of a value than it shows: variables that hold one another twice are huge when written out."""

    def repr_Map(self, x: Any, level: int) -> str:
        """As any mapping."""
        return self.repr_dict(x, level)

    def repr_Seq(self, x: Any, level: int) -> str:
        """As any list."""
        return self.repr_list(x, level)

    def repr_Hole(self, x: Any, level: int) -> str:
        """What stands in it."""
        return self.repr1(x.raw, level)


SHORT = Short()
SHORT.maxlevel = 3


def show(value: object) -> str:
    """A value, cut short, for a message."""
    plain = isinstance(value, Unsettled) or (isinstance(value, str) and len(value) < 80 and "$" in value)
    return str(value) if plain else SHORT.repr(value)


def element(container: Any, key: Any, text: str) -> Any:
    """The element of a list or mapping; keys of mappings are texts, and an index may be written as one."""
    if isinstance(container, Mapping):
        if str(key) not in container:
            message = f"{text}: there is no {show(key)} in {show(container)}"
            raise ExpressionError(message, did_you_mean(str(key), map(str, container)), "E211")
        return container[str(key)]
    if not isinstance(container, list | tuple):
        raise ExpressionError(f"{text}: {show(container)} has no elements", code="E211")
    if isinstance(key, str) and re.fullmatch(r"[0-9]{1,9}", key):
        key = int(key)
    if isinstance(key, bool) or not isinstance(key, int):
        raise ExpressionError(f"{text}: {show(key)} is not an index", code="E211")
    if not -len(container) <= key < len(container):
        message = f"{text}: there is no element {key} in {show(container)}, which has {len(container)}"
        raise ExpressionError(message, code="E211")
    return container[key]


def constant(value: Any) -> Run:
    """The function that returns a value."""
    return lambda env: value


class Unsettled:
    """What a name or an element may stand for that has to be computed in turn."""

    __slots__ = ()

    def evaluate(self, env: Env) -> object:
        """The value in an environment."""
        raise NotImplementedError


def settling(read: Run, within: Collection[str]) -> Run:
    """The function that reads a value, and computes it where it has to be; it cannot read what it stands in."""

    def run(env: Env) -> object:
        value = read(env)
        if isinstance(value, Unsettled):
            rest = {key: env[key] for key in env if key not in within}
            while isinstance(value, Unsettled):
                value = value.evaluate(rest)
        return value

    return run


def name_of(name: str, text: str) -> Run:
    """The function that returns what a name stands for."""

    def run(env: Env) -> object:
        try:
            return env[name]
        except KeyError:
            message = f"{text}: there is no {name!r} here"
            raise ExpressionError(message, did_you_mean(name, env), "E212") from None

    return run
