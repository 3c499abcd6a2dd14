"""Targets of items: a stream or the current value, whole or in portions."""

from __future__ import annotations

from copy import copy
from typing import Any

from vitdsl.elaborate.binding import bind_key
from vitdsl.elaborate.scope import Scope
from vitdsl.errors import ShapeError, did_you_mean
from vitdsl.features import Feature
from vitdsl.graph.ir import Value
from vitdsl.graph.operators import Join, Take
from vitdsl.graph.portions import portion_of
from vitdsl.validate import PLACES, Item


class Target:
    """The target of an item: a stream or the current value, whole or in portions."""

    def __init__(self, scope: Scope, at: Any) -> None:
        self.scope = scope
        if at is None:
            self.stream, self.portions, self.whole = None, ["all"], True
            self._base = self._value = scope.flow
            self.feature = self._base.feature
            return
        places = at if isinstance(at, tuple) else ("all" if at is None else at,)
        found: list[Any] = []
        try:
            for place in places:
                found.append(locate(scope, place))
        except ShapeError as fault:
            fault.trail += [len(found)] if isinstance(at, tuple) else []
            raise
        streams = {stream for stream, _ in found}
        if len(streams) > 1:
            hint = "`keys` of a mixer may list several"
            raise ShapeError("a list in `at` or `from` must name parts of one feature", hint, code="E313")
        self.stream = found[0][0]
        self.portions = [part for _, part in found]
        self.whole = self.portions == ["all"]
        self._base = self.base()
        self._value: Value | None = None
        self.feature = self._feature()

    def _feature(self) -> Feature:
        """The feature of the target; no node is written for it."""
        found = [portion_of(self._base.feature, part)[2] for part in self.portions]
        return found[0] if len(found) == 1 else Join().infer(*found)

    @property
    def value(self) -> Value:
        """The value of the target when the target was made."""
        if self._value is None:
            scope, base = self.scope, self._base
            self._value = base if self.whole else scope.join([scope.take(base, part) for part in self.portions])
        return self._value

    def base(self) -> Value:
        """The current value of the whole feature that holds the target."""
        return self.scope.flow if self.stream is None else self.scope.builder.read(self.stream)

    def grid_alone(self) -> Target:
        """This target without its extra tokens."""
        if self.feature.grid is None or not self.feature.tokens:
            return self
        made = copy(self)
        made.portions, made.whole, made.feature, made._value = ["grid"], False, self.feature.grid_only, None
        return made

    def value_now(self) -> Value:
        """The current value of the target."""
        base = self.base()
        return base if self.whole else self.scope.join([self.scope.take(base, part) for part in self.portions])

    def put(self, y: Value) -> None:
        """Writes a result to the target."""
        scope, base = self.scope, self.base()
        if len(self.portions) == 1:
            whole = y if self.whole else scope.put(base, self.portions[0], y)
        else:
            whole, start = base, 0
            for part in self.portions:
                feature = portion_of(base.feature, part)[2]
                stop = start + feature.num_tokens
                if stop > y.feature.num_tokens:
                    message = f"what goes back to {self.portions} must have as many tokens, but is {y.feature}"
                    raise ShapeError(message, code="E407")
                take = Take.trusted(start=start, stop=stop, feature=feature.with_dim(y.feature.dim))
                piece = scope.add(take, (y,), None)
                whole, start = scope.put(whole, part, piece), stop
            if start != y.feature.num_tokens:
                message = f"what goes back to {self.portions} must have as many tokens ({start}), but is {y.feature}"
                raise ShapeError(message, code="E407")
        if self.stream is None:
            scope.flow = whole
        else:
            check_writable(scope, self.stream)
            _own_in_windows(scope, self.stream)
            scope.builder.write(self.stream, whole)


def target_at(scope: Scope, place: Any, key: str) -> Target:
    """Makes a target; errors are located at the key that names it."""
    try:
        return Target(scope, place)
    except ShapeError as fault:
        fault.trail.append(key)
        raise


def locate(scope: Scope, place: Any) -> tuple[str | None, Any]:
    """The stream (None: the current value) and the portion that a name in `at` or `from` means."""
    if isinstance(place, int) or place in PLACES:
        return None, place
    if place in scope.flow.feature.tokens:
        return None, place
    if scope.builder.has(name := scope.scoped_name(str(place))):
        return (None if name == scope.current else name), "all"
    stream, _, part = str(place).partition(".")
    stream = scope.scoped_name(stream)
    if part and scope.builder.has(stream):
        return (None if stream == scope.current else stream), int(part) if part.isdigit() else part
    if scope.windows is not None and scope.builder.has(str(place).partition(".")[0]):
        return _in_windows(scope, str(place)), "all"
    feature = scope.flow.feature
    if any(name.startswith(f"{place}@") for name in scope.builder.streams):
        message = f"`{place}` was written inside of windows, which have one value each: it cannot be read outside"
        raise ShapeError(message, "`write` it after the windows are closed", code="E309")
    known = (*feature.tokens, *PLACES, *(name for name in scope.builder.streams if "@" not in name))
    message = f"there is no stream or part `{place}` here; the feature is {feature}"
    raise ShapeError(message, did_you_mean(str(place), known), code="E307")


def _in_windows(scope: Scope, place: str) -> str:
    """Cuts a stream from outside into the open windows, and gives the name of the stream that holds them."""
    windows, builder, name = scope.windows, scope.builder, scope.scoped_name(place)
    assert windows is not None
    stream, _, part = place.partition(".")
    value = builder.read(stream)
    if part:
        value = scope.take(value, int(part) if part.isdigit() else part)
    if scope.times != windows.counts[0] * windows.counts[1]:
        message = f"`{place}` was written outside of nested windows, and cannot be read inside of them"
        raise ShapeError(message, code="E309")
    if value.feature.grid != windows.grid or value.feature.tokens:
        grid = f"{windows.grid[0]}x{windows.grid[1]}"
        message = f"`{place}` was written outside of these windows, which cut only a grid of {grid}"
        raise ShapeError(f"{message}, but it is {value.feature}", code="E309")
    builder.streams[name] = scope.add(windows, (value,), None)
    return name


def _own_in_windows(scope: Scope, stream: str) -> None:
    """Refuses to write a stream from outside of the open windows, which can only be read in them."""
    frame = scope.builder.frame
    if scope.windows is not None and stream not in frame.outputs and stream not in frame.inputs:
        name = stream.partition("@")[0]
        message = f"`{name}` was written outside of these windows: inside of them it can be read, but not changed"
        raise ShapeError(message, f"`write` another name, or work on `{name}` after the windows", ("at",), "E309")


def check_writable(scope: Scope, stream: str, at: tuple[str, ...] = ("at",)) -> None:
    """Refuses to write a stream that the value of this body goes back to."""
    if stream in scope.forbidden:
        raise ShapeError(
            f"what is written to `{stream}` here would be overwritten: this body's own value goes back there",
            f"write `{stream}` after the body, or let the body work in place",
            at,
            "E310",
        )


def write_stream(scope: Scope, name: str, value: Value) -> None:
    """Writes a value to a stream, or appends it to one."""
    if name.removesuffix("[]") in (*value.feature.tokens, *scope.flow.feature.tokens):
        hint = "a stream and a token of one name could not be told apart"
        raise ShapeError(f"`{name}` is a token here, and cannot be a stream too", hint, ("write",), "E311")
    if name.endswith("[]"):
        if value.feature.grid is not None:
            message = f"`{name}` appends tokens, but the feature is {value.feature}"
            raise ShapeError(message, "pool it first, or take a token", ("write",), "E310")
        if scope.windows is not None:
            message = f"`{name}` appends one token for each image, but here is one for each window"
            raise ShapeError(message, "", ("write",), "E309")
        scope.builder.append(name[:-2], value)
        return
    check_writable(scope, name, ("write",))
    scope.builder.write(scope.scoped_name(name), value)


def run_without_role(scope: Scope, item: Item, from_: Any) -> None:
    """Runs an item without a role: `write` stores the value of `from`, or else the current value.

    Without `write`, the value of `from` becomes the current value.
    """
    write = bind_key(scope, item, "write")
    value = scope.flow if from_ is None else target_at(scope, from_, "from").value
    if write is not None:
        write_stream(scope, write, value)
    else:
        scope.flow = value
