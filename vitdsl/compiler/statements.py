"""A forward before it is printed: values, and the statements that make them.

Views are simplified as they are written: a view that is taken twice is one value, and a view that undoes another is the
value that both began with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Value:
    """A tensor, or a length.

    Attributes:
        hint: what to call it; empty where it is just the next value.
        shape: what a comment says of its shape, and the same in letters, where that is known.
    """

    __slots__ = ("hint", "maker", "shape")

    def __init__(self, hint: str = "") -> None:
        self.hint = hint
        self.shape: tuple[str, str] | None = None
        self.maker: Statement | None = None


class Number(NamedTuple):
    """A number, or a tuple of numbers, that may be another one in a class with the same text.

    Attributes:
        value: the number.
        name: of the attribute that holds it, where it differs.
    """

    value: Any
    name: str


class Layer(NamedTuple):
    """A module that a function gets.

    Attributes:
        path: of the module.
    """

    path: str


class Statement:
    """What one line does.

    Attributes:
        kind: `module` (target: its path), `function` (target: the function, which may get modules), `method` (target:
            its name; the first argument is the object), `slice` (target: axis; arguments: the tensor, start, stop),
            `parameter` (target: its path), `size` (lengths of the last two axes) or `batch` (length of the first).
        outputs: what it makes; several are unpacked.
    """

    __slots__ = ("arguments", "kind", "named", "outputs", "target")

    def __init__(
        self, kind: str, target: Any, arguments: tuple[Any, ...], named: dict[str, Any], outputs: list[Value]
    ) -> None:
        self.kind, self.target, self.outputs = kind, target, outputs
        self.arguments: tuple[Any, ...] = arguments
        self.named: dict[str, Any] = named

    def reads(self) -> Iterator[Value]:
        """The values among its arguments, each as often as it stands there."""
        for argument in (*self.arguments, *self.named.values()):
            yield from values_in(argument)

    def follow(self, function: Any, path: str) -> None:
        """Turns the call of a module into that of a function, which calls the module at the path after it.

        Args:
            function: gets the first module, the value and, where the second is not `norm` below it, the second.
            path: of the second.
        """
        *layers, x = self.arguments
        layer = Layer(self.target) if self.kind == "module" else layers[0]
        named = {} if path == f"{layer.path}.norm" else {"norm": Layer(path)}
        self.kind, self.target, self.arguments, self.named = "function", function, (layer, x), named

    def layers(self) -> Iterator[str]:
        """The paths of the modules that it calls."""
        if self.kind == "module":
            yield self.target
        yield from (each.path for each in (*self.arguments, *self.named.values()) if isinstance(each, Layer))


def values_in(argument: Any) -> Iterator[Value]:
    """The values in an argument."""
    if isinstance(argument, Value):
        yield argument
    elif isinstance(argument, dict):
        yield from values_in([*argument.values()])
    elif isinstance(argument, (list, tuple)) and not isinstance(argument, Number):
        for each in argument:
            yield from values_in(each)


class Returned(NamedTuple):
    """What a forward gives back.

    Attributes:
        values: one, or several in a tuple.
        weights: of a sum of the values, where it is one.
        several: a list is returned, also of one value.
    """

    values: list[Value]
    weights: list[float] | None = None
    several: bool = False


class Forward:
    """The statements of one forward, in order.

    Attributes:
        entries: its parameters.
        statements: what it does.
        returned: what it gives back.
    """

    def __init__(self) -> None:
        self.entries: list[Value] = []
        self.statements: list[Statement] = []
        self.returned = Returned([])
        self._views: dict[Any, Value] = {}
        self._sections: dict[tuple[Value, int, int], dict[tuple[int, int], Value]] = {}

    def enter(self, hint: str) -> Value:
        """A parameter."""
        value = Value(hint)
        self.entries.append(value)
        return value

    def add(
        self, kind: str, target: Any, *arguments: Any, count: int = 1, hint: str = "", after: Value | None = None,
        **named: Any,
    ) -> list[Value]:  # fmt: skip
        """Writes a statement.

        Args:
            kind: as `Statement` has it.
            target: likewise.
            arguments: likewise.
            count: how many values it makes.
            hint: what to call them.
            after: the statement goes behind the one that makes this value; None: it is the last.
            named: arguments by name.
        """
        made = [Value(hint) for _ in range(count)]
        statement = Statement(kind, target, arguments, named, made)
        for value in made:
            value.maker = statement
        if after is None:
            self.statements.append(statement)
        else:
            place = 0 if after.maker is None else self.statements.index(after.maker) + 1
            self.statements.insert(place, statement)
        return made

    def view(self, name: str, x: Value, *arguments: Any) -> Value:
        """A method that gives a value in another form."""
        source = _undo(name, x, arguments)
        if source is not None:
            return source
        key = ("method", name, id(x), *(_key(each) for each in arguments))
        if key not in self._views:
            (self._views[key],) = self.add("method", name, x, *arguments, hint=x.hint)
        return self._views[key]

    def slice(self, x: Value, axis: int, start: Any, stop: Any) -> Value:
        """A part of a value along an axis; from `start`, up to `stop` (None: from the first, to the last)."""
        key = ("slice", axis, id(x), _key(start), _key(stop))
        if key not in self._views:
            (self._views[key],) = self.add("slice", axis, x, start, stop)
        return self._views[key]

    def section(self, x: Value, axis: int, start: int, stop: int, total: int) -> Value:
        """Channels of a value; sections that are all of it are cut at once."""
        value = self.slice(x, axis, Number(start, "start"), Number(stop, "stop"))
        assert value.maker is not None
        self._sections.setdefault((x, axis, total), {})[start, stop] = value
        return value

    def cut_at_once(self) -> None:
        """Turns sections that are all of a value into one cut."""
        for (x, axis, total), parts in self._sections.items():
            bounds = sorted(parts)
            if len(bounds) < 2 or [start for start, _ in bounds] + [total] != [0, *(stop for _, stop in bounds)]:
                continue
            sizes = [stop - start for start, stop in bounds]
            values = [parts[each] for each in bounds]
            for value, letter in zip(values, x.hint if len(x.hint) == len(values) else "", strict=False):
                value.hint = letter
            makers = {value.maker for value in values}
            at = next(i for i, each in enumerate(self.statements) if each in makers)
            equal = len(set(sizes)) == 1
            given = (x, len(sizes)) if equal else (x, Number(tuple(sizes), "sections"))
            cut = Statement("method", "chunk" if equal else "split", given, {"dim": axis}, values)
            self.statements[at] = cut
            self.statements = [each for each in self.statements if each is cut or each not in makers]
            for value in values:
                value.maker = cut
        for each in self.statements:
            if each.kind == "method" and len(each.outputs) == 1:  # a view is called what its value is called
                each.outputs[0].hint = each.outputs[0].hint or each.arguments[0].hint

    def prune(self, modules: bool) -> None:
        """Leaves out what nothing reads.

        Args:
            modules: whether calls of modules too.
        """
        read = {id(value) for value in self.returned.values}
        kept: list[Statement] = []
        for statement in reversed(self.statements):
            acts = any(statement.layers()) and not modules and bool(statement.outputs)
            if acts or any(id(value) in read for value in statement.outputs):
                kept.append(statement)
                read.update(id(value) for value in statement.reads())
        self.statements = kept[::-1]
        self.read = read

    def is_read(self, value: Value) -> bool:
        """Whether something reads a value; asked after `prune`."""
        return id(value) in self.read


def _key(argument: Any) -> Any:
    if isinstance(argument, Value):
        return id(argument)
    if isinstance(argument, (list, tuple)) and not isinstance(argument, Number):
        return tuple(map(_key, argument))
    return argument


def text_of(forward: Forward) -> str:
    """A forward as text, which is equal for equal forwards; values are numbers."""
    numbers: dict[Value, str] = {value: f"%{n}" for n, value in enumerate(forward.entries)}

    def print_argument(argument: Any) -> str:
        if isinstance(argument, Value):
            return numbers.setdefault(argument, f"%{len(numbers)}")
        if isinstance(argument, dict):
            return str({name: print_argument(each) for name, each in argument.items()})
        if isinstance(argument, (list, tuple)) and not isinstance(argument, Number):
            return f"[{', '.join(map(print_argument, argument))}]"
        return repr(argument.value if isinstance(argument, Number) else argument)

    lines = []
    for each in forward.statements:
        named = {name: print_argument(argument) for name, argument in each.named.items()}
        target = getattr(each.target, "__name__", each.target)
        lines.append(f"{print_argument(each.outputs)} = {each.kind} {target} {print_argument(each.arguments)} {named}")
    returned = forward.returned
    lines.append(f"{print_argument(returned.values)} {returned.weights} {returned.several}")
    return "\n".join(lines)


def _undo(name: str, x: Value, arguments: tuple[Any, ...]) -> Value | None:
    """The value that a view of a view gives back, where it undoes the first; None: it does not."""
    maker = x.maker
    if maker is None or maker.kind != "method":
        return None
    source, given = maker.arguments[0], maker.arguments[1:]
    if name == maker.target == "transpose" and given == arguments:
        return source
    if name == "flatten" and maker.target == "unflatten" and arguments == (given[0],) and given[0] == 2:
        return source
    if name == "unflatten" and maker.target == "flatten" and given == (2,) == arguments[:1]:
        lengths = arguments[1]
        makers = {each.maker for each in lengths if isinstance(each, Value)} if isinstance(lengths, tuple) else set()
        (length,) = makers if len(makers) == 1 else (None,)
        return source if length is not None and length.kind == "size" and length.arguments[0] is source else None
    if name == "squeeze" and maker.target == "unsqueeze" and given == arguments:
        return source
    return None
