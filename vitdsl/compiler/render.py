"""Prints statements as expressions of Python."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from vitdsl.compiler.expressions import Apply, Expression, Slot, quoted
from vitdsl.compiler.names import reference
from vitdsl.compiler.statements import Layer, Number, Returned, Statement, Value

OPERATORS: dict[Any, str] = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.floordiv: "//",
}  # fmt: skip


class Short(NamedTuple):
    """A name for a container, on some lines.

    Attributes:
        path: of the container.
        name: what it is called.
        last: the number of the last item that uses the name.
    """

    path: str
    name: str
    last: int


class Renderer:
    """Prints statements as expressions.

    Args:
        name_of: what code calls a function, which it may use from now on.

    Attributes:
        inlined: the values that are written into their use.
        names: what all other values are called so far.
        short: the name of a container, on the lines that are printed now.
    """

    def __init__(self, name_of: Callable[[Any], str]) -> None:
        self._name_of = name_of
        self.inlined: set[Value] = set()
        self.names: dict[Value, str] = {}
        self.short: Short | None = None

    def argument(self, argument: Any) -> Expression:
        """What stands in the place of an argument: a name, or the expression that is written into its use."""
        if isinstance(argument, Value):
            if argument in self.inlined and argument.maker is not None:
                return self.expression(argument.maker)
            return self.names.get(argument, argument.hint or "x")
        if isinstance(argument, Number):
            return Slot(argument.value, argument.name)
        if isinstance(argument, Layer):
            return self.reference(argument.path)
        if isinstance(argument, dict):
            entries = ((f"{quoted(name)}: ", self.argument(each)) for name, each in argument.items())
            return Apply("{", tuple(entries), "}")
        if isinstance(argument, list):
            return Apply("[", tuple(map(self.argument, argument)), "]")
        if isinstance(argument, tuple):
            inner = tuple(_commas([self.argument(each) for each in argument]))
            return ("(", *inner, ",)" if len(argument) == 1 else ")")
        return quoted(argument) if isinstance(argument, str) else repr(argument)

    def _grouped(self, argument: Any, expression: Expression) -> Expression:
        """An operand, in brackets where it is an operation itself."""
        maker = argument.maker if isinstance(argument, Value) and argument in self.inlined else None
        inner = maker is not None and maker.kind == "function" and maker.target in OPERATORS
        return ("(", expression, ")") if inner else expression

    def expression(self, item: Statement) -> Expression:
        """What a statement computes."""
        given = [self.argument(each) for each in item.arguments]
        named = [(f"{name}=", self.argument(each)) for name, each in item.named.items()]
        if item.kind == "module":
            return Apply(f"{self.reference(item.target)}(", (*given, *named))
        if item.kind == "function":
            if item.target in OPERATORS:
                left, right = map(self._grouped, item.arguments, given)
                return (left, f" {OPERATORS[item.target]} ", right)
            return Apply(f"{self._name_of(item.target)}(", (*given, *named))
        if item.kind == "method":
            return (given[0], Apply(f".{item.target}(", (*given[1:], *named)))
        if item.kind == "slice":
            return _sliced(given, item)
        if item.kind == "parameter":
            path, _, name = item.target.rpartition(".")
            plain = reference(name, "").startswith(".")
            return self.reference(item.target) if plain else f"{self.reference(path)}.get_parameter({quoted(name)})"
        if item.kind == "size":
            return (given[0], ".shape[2:]")
        assert item.kind == "batch", item.kind
        return (given[0], ".shape[0]")

    def returned(self, returned: Returned) -> Expression:
        """What a forward gives back."""
        values = [self.argument(value) for value in returned.values]
        if returned.weights is not None:
            return _weighted(values, returned.weights)
        if returned.several:
            return Apply("[", tuple(values), "]")
        return tuple(_commas(values))

    def reference(self, path: str) -> str:
        """How code reaches a module here."""
        short = self.short
        if short is None or not f"{path}.".startswith(f"{short.path}."):
            return reference(path)
        return reference(path[len(short.path) + 1 :], short.name)


def _sliced(given: list[Expression], item: Statement) -> Expression:
    tensor, start, stop = given[0], *(each if value is not None else "" for each, value in zip(
        given[1:], item.arguments[1:], strict=True))  # fmt: skip
    return (tensor, "[..., " if item.target == -1 else "[:, ", start, ":", stop, "]")


def _commas(values: Sequence[Expression]) -> Iterator[Expression]:
    for number, value in enumerate(values):
        if number:
            yield ", "
        yield value


def _weighted(values: list[Expression], weights: list[float]) -> Expression:
    """The weighted sum of some outputs; where all weigh the same and add up to 1, their mean."""
    if len(set(weights)) == 1 and abs(weights[0] * len(values) - 1) < 1e-12:
        terms = [each for value in values for each in (" + ", value)][1:]
        return values[0] if len(values) == 1 else ("(", *terms, f") / {len(values)}")
    weighed = [(value, f" * {weight!r}") for value, weight in zip(values, weights, strict=True)]
    return tuple(each for value in weighed for each in (" + ", value))[1:]
