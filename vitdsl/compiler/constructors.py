"""Prints what makes the modules of a class: the arguments of its `super().__init__(…)`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from types import NoneType
from typing import Any

from vitdsl.compiler.arguments import same
from vitdsl.compiler.containers import Body, Chain
from vitdsl.compiler.expressions import Apply, Expression, Slot, quoted
from vitdsl.compiler.initialize import make_initialized
from vitdsl.compiler.names import RESERVED
from vitdsl.compiler.namespace import Namespace
from vitdsl.compiler.tree import Branch
from vitdsl.layers.containers import with_modules
from vitdsl.layers.initial import initialized

WIDTHS = {"in_dim": "dim", "normalized_shape": "dim", "num_features": "dim", "in_features": "dim"}
"""Names of arguments that are called otherwise in a class."""


class Constructors:
    """Prints what makes modules.

    Args:
        names: what the text may name.

    Attributes:
        calls: of each repetition that has a class, the call of that class; by identity of its branch.
    """

    def __init__(self, names: Namespace) -> None:
        self.names = names
        self.calls: dict[int, Apply] = {}

    def init(self, branch: Branch) -> Apply:
        """The call by which a repetition, or the model, makes its modules."""
        return Apply("super().__init__(", tuple(self._children(branch)))

    def _children(self, branch: Branch) -> Iterator[Expression]:
        """The arguments of a container: numbered modules in order, others by name."""
        numbered = {int(name): child for name, child in branch.children.items() if name.isdigit()}
        count = max(numbered, default=-1) + 1
        yield from self._numbered([numbered.get(index) for index in range(count)])
        strange: list[Expression] = []
        for name, child in branch.children.items():
            if not name.isdigit():
                if name.isidentifier() and name not in RESERVED:
                    yield (f"{name}=", self._module(child))
                else:
                    strange.append((f"{quoted(name)}: ", self._module(child)))
        if strange:
            yield ("**", Apply("{", tuple(strange), "}"))

    def _numbered(self, branches: Sequence[Branch | None]) -> Iterator[Expression]:
        """Modules in order; calls of one class that differ in numbers are written once."""
        calls = [None if branch is None else self.calls.get(id(branch)) for branch in branches]
        at = 0
        while at < len(branches):
            end = at + 1
            while end < len(branches) and _are_alike(calls[end], calls[at]):
                end += 1
            if end - at < 2:
                branch = branches[at]
                yield "None" if branch is None else self._module(branch)
            else:
                yield _repeat([call for call in calls[at:end] if call is not None])
            at = end

    def _module(self, branch: Branch) -> Expression:
        call = self.calls.get(id(branch))
        if call is not None:
            return call
        if branch.make is None:
            return Apply(f"{self.names(Chain if branch.chain else Body)}(", tuple(self._children(branch)))
        layer = self._layer(branch.make)
        if not branch.children:
            return layer
        return Apply(f"{self.names(with_modules)}(", (layer, *self._children(branch)))

    def _layer(self, make: partial[Any]) -> Expression:
        """The call that makes a layer: what is given by default is left out."""
        if make.func is make_initialized:
            inner, fill = make.args
            return Apply(f"{self.names(initialized)}(", (self._layer(inner), self._literal(fill, "init")))
        if not inspect.isclass(make.func) or next(unprinted(make), None) is not None:
            return f"{self.names.part(make)}()"
        return Apply(f"{self.names(make.func)}(", tuple(self._arguments(make)))

    def _arguments(self, make: partial[Any]) -> Iterator[Expression]:
        names, defaults, rest = _signature(make.func)
        arguments = [*zip(names, make.args, strict=False)]
        plain = 1 if len(arguments) < 2 or arguments[1][0] in defaults else 2
        named = [*arguments[plain:], *make.keywords.items()]
        yield from (self._argument(value, name, "", defaults) for name, value in arguments[:plain])
        yield from (self._literal(value, rest) for value in make.args[len(names) :])
        for name, value in named:
            if _is_number(value) or name not in defaults or not same(defaults[name], value):
                yield self._argument(value, name, f"{name}=", defaults)

    def _argument(self, value: Any, name: str, before: str, defaults: dict[str, Any]) -> Expression:
        literal = self._literal(value, name)
        if isinstance(literal, Slot):
            return literal._replace(before=before, default=defaults.get(name))
        return (before, literal) if before else literal

    def _literal(self, value: Any, name: str) -> Expression:
        if isinstance(value, bool) or value is None or isinstance(value, str):
            return quoted(value) if isinstance(value, str) else repr(value)
        if isinstance(value, (int, float)) or (isinstance(value, tuple) and value and all(map(_is_number, value))):
            return Slot(value, WIDTHS.get(name, name))
        if isinstance(value, partial):
            named = [(f"{key}=", self._literal(each, key)) for key, each in value.keywords.items()]
            parameters, _, _ = _signature(value.func)
            arguments = [self._literal(each, key) for key, each in zip(parameters, value.args, strict=False)]
            return Apply(f"{self.names(partial)}(", (self.names(value.func), *arguments, *named))
        if callable(value):
            return self.names(value)
        if isinstance(value, dict):
            return Apply("{", tuple((f"{quoted(key)}: ", self._literal(each, key)) for key, each in value.items()), "}")
        if isinstance(value, (tuple, list)):
            inner = tuple(self._literal(each, name) for each in value)
            if isinstance(value, tuple) and len(value) == 1:
                return ("(", inner[0], ",)")
            return Apply("(" if isinstance(value, tuple) else "[", inner, ")" if isinstance(value, tuple) else "]")
        raise AssertionError(f"{value!r} is one of `unprinted`")


def unprinted(value: Any) -> Iterator[Any]:
    """The values in an argument, or in the maker of a layer, that code cannot write, such as tensors and infinities."""
    if isinstance(value, partial):
        inner: Iterable[Any] = (*value.args, *value.keywords.values())
    elif isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, (tuple, list)):
        inner = value
    else:
        if not (callable(value) or isinstance(value, (str, int, NoneType)) or _is_finite(value)):
            yield value
        return
    for each in inner:
        yield from unprinted(each)


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


@cache
def _signature(target: Any) -> tuple[tuple[str, ...], dict[str, Any], str]:
    """Names of the arguments by position, defaults by name, and the name of all other arguments by position."""
    parameters = list(inspect.signature(target).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = tuple(each.name for each in parameters if each.kind in positional)
    defaults = {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}
    rest = next((each.name for each in parameters if each.kind is inspect.Parameter.VAR_POSITIONAL), "")
    return names, defaults, rest


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_alike(call: Apply | None, first: Apply | None) -> bool:
    return call is not None and first is not None and call.head == first.head


def _repeat(calls: list[Apply]) -> Expression:
    """Calls of one class as one expression: `*(Block(dim, rate) for rate in (0.0, 0.1))`."""
    columns = [*zip(*(call.arguments for call in calls), strict=True)]
    arguments: list[Expression] = []
    varying: list[tuple[str, tuple[Any, ...]]] = []
    for column in columns:
        first = column[0]
        assert isinstance(first, Slot)
        values = tuple(each.value for each in column if isinstance(each, Slot))
        if all(same(value, values[0]) for value in values):
            arguments.append(first)
        else:
            arguments.append(first.name)
            varying.append((first.name, values))
    call = calls[0]._replace(arguments=tuple(arguments))
    if not varying:
        return ("*(", call, f" for _ in range({len(calls)}))")
    names = ", ".join(name for name, _ in varying)
    if len(varying) == len(columns) > 1:
        call, names = call._replace(arguments=("*numbers",)), "numbers"
    if len(varying) == 1:
        name, values = varying[0]
        turns = tuple[Expression, ...](Slot(value, name) for value in values)
    else:
        rows = zip(*(values for _, values in varying), strict=True)
        kinds = [name for name, _ in varying]
        turns = tuple(Apply("(", tuple(map(Slot, row, kinds))) for row in rows)
    return ("*(", call, f" for {names} in ", Apply("(", turns), ")")
