"""Where a body writes its nodes: the current value, the streams, and what late values see."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from vitdsl.content import content
from vitdsl.errors import ShapeError, did_you_mean
from vitdsl.features import BYTES_PER_VALUE, LARGEST_SIZE, Cost, Feature
from vitdsl.graph.frames import Frame, Node, Place, Value
from vitdsl.graph.operators import Combine, Join, OpenWindows, Put, Sections, Take, WindowMask
from vitdsl.graph.reads import NOTHING, Key, in_object, read_by
from vitdsl.parts.base import Part, Primitive
from vitdsl.parts.fields import Refusal
from vitdsl.parts.primitives.drop_path import DropPath
from vitdsl.parts.primitives.dropout import Dropout
from vitdsl.spec import PLACES, RESERVED, SpecReader

_new = tuple.__new__
DROP_PATH, JOIN = DropPath(), Join()
COMBINED = {how: Combine(how=how) for how in ("add", "mean", "multiply", "concat")}


@cache
def _items() -> ModuleType:
    """The module that runs items, which is written on top of this one."""
    from vitdsl.graph import items

    return items


class Surroundings:
    """What is the same all over one elaboration.

    Attributes:
        reader: validates what is bound.
        classes: number of classes.
        image: size of the image.
        drops: whether the model has stochastic depth.
        env: the variables that are still named.
        key: of all memos of what is analysed here, but for the variables, of which each body reads few.
    """

    __slots__ = ("classes", "drops", "env", "image", "key", "reader")

    def __init__(
        self, reader: SpecReader, classes: int, image: tuple[int, int], drops: bool, env: Mapping[str, Any]
    ) -> None:
        self.reader, self.classes, self.image, self.drops, self.env = reader, classes, image, drops, env
        hiding = bool(env) and not RESERVED.isdisjoint(env)  # a variable that only shows where no feature hides it
        self.key = (reader.key, classes, image, drops, content(env) if hiding else None)

    def reads(self, made: Any, args: Mapping[str, Any]) -> Key:
        """What a stage, a head or parts of them read of the variables, where `args` are the arguments, as a key."""
        if not self.env:
            return NOTHING
        return read_by(self.reader.inherited | in_object(made), self.env, args, self.reader)[0]


def _nothing(name: str) -> Feature | None:
    """What is around the model: no stream."""
    return None


class Builder:
    """A frame under construction.

    Attributes:
        frame: what was written.
        outer: what the streams around it hold.
        streams: values by stream.
        paths: the number of the step that has a module path; None: it is a call's.
        costs: of its steps.
    """

    __slots__ = ("costs", "frame", "outer", "paths", "streams")

    def __init__(self, outer: Callable[[str], Feature | None]) -> None:
        self.frame, self.outer = Frame(), outer
        self.streams: dict[str, Value] = {}
        self.paths: dict[str, int | None] = {}
        self.costs: list[Cost] = []

    def feature(self, name: str) -> Feature | None:
        """What a stream is, or None where there is none: what a frame below this one sees."""
        value = self.streams.get(name)
        return None if value is None else value.feature

    def copy(self) -> Builder:
        """Another one at the same place, to be kept."""
        made = Builder(_nothing)
        made.resume(self)
        return made

    def resume(self, other: Builder) -> None:
        """Goes on from where another stands, in an equal surrounding."""
        mine, theirs = self.frame, other.frame
        mine.features, mine.steps, mine.blocks = theirs.features.copy(), theirs.steps.copy(), theirs.blocks
        mine.inputs, mine.outputs = theirs.inputs.copy(), theirs.outputs.copy()
        mine.appends = {name: numbers.copy() for name, numbers in theirs.appends.items()}
        mine.absent, mine.marks = theirs.absent.copy(), theirs.marks.copy()
        self.streams, self.paths, self.costs = other.streams.copy(), other.paths.copy(), other.costs.copy()

    def value(self, feature: Feature) -> Value:
        """A new value."""
        self.frame.features.append(feature)
        return Value(len(self.frame.features) - 1, feature)

    def has(self, name: str) -> bool:
        """Whether a stream holds something."""
        if name in self.streams:
            return True
        found = self.outer(name)
        if found is None:
            self.frame.absent.add(name)
            return False
        value = self.value(found)
        self.streams[name] = value
        self.frame.inputs[name] = value.index
        return True

    def read(self, name: str) -> Value:
        """What a stream holds."""
        if not self.has(name):
            known = [other for other in self.streams if other and not other.startswith("@")]
            raise ShapeError(f"there is no stream `{name}` here, or not yet", did_you_mean(name, known))
        return self.streams[name]

    def write(self, name: str, value: Value) -> None:
        """Binds a stream."""
        self.streams[name] = value
        self.frame.outputs[name] = value.index

    def append(self, name: str, value: Value) -> None:
        """Appends a token to a stream."""
        self.frame.appends.setdefault(name, []).append(value.index)

    def spend(self, cost: Cost) -> None:
        """Counts a cost."""
        self.costs.append(cost)

    def done(self) -> Frame:
        """The frame, with what it wrote."""
        params = trainable = macs = size = 0
        for cost in self.costs:
            params, trainable, macs, size = params + cost[0], trainable + cost[1], macs + cost[2], size + cost[3]
        self.frame.cost = Cost(params, trainable, macs, size)
        return self.frame


class Scope:
    """A place in a frame: what flows here, and what late values see.

    Attributes:
        current: the stream that the body works on, or None: a value of its own.
        here: the value that flows, where there is no stream.
        env: arguments and indexes.
        drop: what stochastic depth does here: `schedule`, `none`, or a Place that fixes it.
        block: number of the block, None outside of every block.
        sharing: whether a module path may be met again here, by an operator that has the same weights.
        role: of the outermost item that is written here, as on nodes.
        within: whether this is inside a block, or where no block can be.
    """

    __slots__ = (
        "around", "block", "builder", "current", "drop", "env", "exposed", "forbidden", "here", "opened", "path",
        "role", "sharing", "times", "within",
    )  # fmt: skip

    def __init__(self, around: Surroundings, builder: Builder, current: str | None, env: Mapping[str, Any]) -> None:
        self.around, self.builder, self.current, self.env = around, builder, current, env
        self.here: Value | None = None
        self.path = ""
        self.drop: str | Place = "schedule"
        self.block: int | None = None
        self.times = 1
        self.opened: OpenWindows | None = None
        self.exposed: dict[str, Value] = {}
        self.forbidden: frozenset[str] = frozenset()
        self.sharing = False
        self.role, self.within = "", False

    def child(self, current: str | None, here: Value | None = None, path: str = "") -> Scope:
        """A scope inside this one, in the same frame."""
        made = Scope.__new__(Scope)
        made.around, made.builder, made.current, made.env = self.around, self.builder, current, self.env
        above = self.path
        made.here, made.path = here, f"{above}.{path}" if above and path else above or path
        made.drop, made.block, made.times, made.opened = self.drop, self.block, self.times, self.opened
        made.exposed, made.forbidden, made.sharing = self.exposed, self.forbidden, self.sharing
        made.role, made.within = self.role, self.within
        return made

    # ------------------------------------------------------------ what flows

    @property
    def flow(self) -> Value:
        """The value that flows."""
        if self.current is None:
            assert self.here is not None
            return self.here
        builder = self.builder
        return builder.streams.get(self.current) or builder.read(self.current)

    @flow.setter
    def flow(self, value: Value) -> None:
        if self.current is None:
            self.here = value
        else:
            self.builder.write(self.current, value)

    @property
    def classes(self) -> int:
        """Number of classes of the spec."""
        return self.around.classes

    @property
    def known(self) -> Mapping[str, Any]:
        """What late values see before any feature is looked at."""
        variables = self.around.env
        return {**variables, **self.env} if variables else self.env

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.around.image

    def stream(self, name: str) -> Value:
        """What a stream holds."""
        return self.builder.read(self.named(name))

    def named(self, name: str) -> str:
        """The name of a stream where it is used: what is written inside of windows holds a value for each of them."""
        return name if self.opened is None else f"{name}@{self.opened.size}{self.opened.shift}{self.opened.grid}"

    def mark(self, name: str, x: Value) -> Value:
        """Gives a value a name that recipes know."""
        self.builder.frame.marks[name] = x.index
        return x

    def expose(self, name: str, x: Value) -> None:
        """Gives a shortcut an inner value of the mixer to start from."""
        self.exposed[name] = x

    # ------------------------------------------------------------ nodes

    def add(self, op: Primitive, inputs: Sequence[Value], path: str | None, place: Place | None = None) -> Value:
        """Appends a node: checks shapes and counts the cost."""
        builder, times = self.builder, self.times
        frame = builder.frame
        if len(inputs) == 1:  # most have one input
            (x,) = inputs
            features, read = [x.feature], (x.index,)
        else:
            features, read = [value.feature for value in inputs], tuple([value.index for value in inputs])
        output = op.infer(*features)
        size = output.size
        if size > LARGEST_SIZE:
            raise ShapeError(f"no feature has more than {LARGEST_SIZE:,} values, but this would be {output}")
        params, trainable, macs, _ = op.cost(*features)
        where, shared = "", False
        if path is not None:
            own = path.strip(".")
            where = f"{self.path}.{own}" if own and self.path else own or self.path
            if not op.structural:
                shared = where in builder.paths
                if shared:
                    self._share(where, op, params, features)
                    params = trainable = 0
                else:
                    builder.paths[where] = len(frame.steps)
        cost = _new(Cost, (params, trainable, macs * times, 0 if op.view else size * BYTES_PER_VALUE * times))
        index = len(frame.features)
        frame.features.append(output)
        builder.costs.append(cost)
        frame.steps.append(_new(Node, (where, op, read, index, cost, shared, times, place, self.role)))
        return Value(index, output)

    def _share(self, path: str, op: Primitive, params: int, features: Sequence[Feature]) -> None:
        """Refuses an operator at the path of another, but for the same weights where they are meant to act again."""
        if not self.sharing:
            raise ShapeError(f"two operators would both be called `{path}` here", "give one of them another `name`")
        there, frame = self.builder.paths[path], self.builder.frame
        step = None if there is None else frame.steps[there]
        widths = [x.dim for x in features]
        if (
            not isinstance(step, Node)
            or (step.op, step.cost.params) != (op, params)
            or ([frame.features[number].dim for number in step.inputs] != widths)
        ):
            raise ShapeError(
                "the same weights act on what the item is at and on its keys, which must be of one kind for that",
                "`keys: {from: …, pre: …}` gives the bank weights of its own",
            )

    def bound(self, part: Part, x: Feature) -> Part:
        """The part with its late values put in, which see the feature that enters it."""
        return bind(part, self.sight(x), self.around.reader) if part.open else part

    def sight(self, x: Feature) -> dict[str, Any]:
        """What late values see at a feature."""
        env = {**self.around.env, **self.env, "dim": x.dim}
        if x.grid is not None:
            env["height"], env["width"] = x.grid
        return env

    def emit(self, part: Part, x: Value, path: str) -> Value:
        """Binds a part to what enters it, and lets it write its nodes."""
        bound = self.bound(part, x.feature) if part.open else part
        return _items().run_part(self, bound, x, path) if bound.expands else bound.emit(self, x, path)

    def emit_dropout(self, rate: float, x: Value, path: str) -> Value:
        """Dropout, where the rate is not 0."""
        return self.add(Dropout.trusted(rate=rate), (x,), path) if rate else x

    def run(self, body: Any, x: Value, path: str) -> Value:
        """Runs a body inside an operator, on a value of its own."""
        if body is None:
            return x
        inside = self.child(None, x, path)
        inside.drop = "none"
        try:
            _items().run_body(inside, body)
        except ShapeError as fault:
            fault.trail += reversed(path.split(".")[1:])  # `mixer.maps.after`: the keys below the role
            raise
        return inside.flow

    def drop_path(self, x: Value) -> Value:
        """Stochastic depth, where there is any."""
        if self.drop == "none" or (self.drop == "schedule" and not self.around.drops):
            return x
        place = self.drop if isinstance(self.drop, Place) else Place(-1 if self.block is None else self.block)
        return self.add(DROP_PATH, (x,), "drop_path", place)

    # ------------------------------------------------------------ parts of features

    def take(self, x: Value, part: str | int) -> Value:
        """A part of a feature."""
        start, stop, feature = part_of(x.feature, part)
        if feature is x.feature or feature == x.feature:
            return x
        return self.add(Take.trusted(start=start, stop=stop, feature=feature), (x,), None)

    def put(self, x: Value, part: str | int, y: Value) -> Value:
        """The feature `x` with `y` in the place of its part."""
        start, stop, feature = part_of(x.feature, part)
        if feature == x.feature:
            return y
        whole = _with_part(x.feature, part, feature, y.feature)
        return self.add(Put.trusted(start=start, stop=stop, feature=whole), (x, y), None)

    def join(self, values: Sequence[Value]) -> Value:
        """All tokens of several features of one width, in order."""
        return values[0] if len(values) == 1 else self.add(JOIN, values, None)

    def combine(self, how: Any, values: Sequence[Value]) -> Value:
        """Several features merged."""
        return values[0] if len(values) == 1 else self.add(COMBINED[how], values, None)

    def sections(self, x: Value, dims: Sequence[int]) -> list[Value]:
        """The channels of a feature, cut into sections of these widths."""
        if len(dims) == 1:
            return [x]
        cuts = [sum(dims[:i]) for i in range(len(dims) + 1)]
        return [self.add(Sections.trusted(start=a, stop=b), (x,), None) for a, b in itertools.pairwise(cuts)]

    def window_mask(self) -> Value | None:
        """The mask of the window that encloses what is written now, or nothing where all of it may be seen."""
        opened = self.opened
        if opened is None or (opened.shift == (0, 0) and opened.padding == (0, 0)):
            return None
        return self.add(WindowMask.trusted(opened=opened), (), "mixer.mask")


def bind(part: Any, env: Mapping[str, Any], reader: SpecReader) -> Any:
    """A part or wiring with its late values put in; what does not fit is a ShapeError at its field."""
    try:
        return part.bind(env, reader)
    except Refusal as error:
        raise at_field(error.items) from None


def at_field(found: list[tuple[tuple[str | int, ...], str, str]]) -> ShapeError:
    """The first refusal of a bound value, as an error of the graph."""
    location, message, hint = found[0]
    return ShapeError(message, hint, location)


def part_of(x: Feature, part: str | int) -> tuple[int, int, Feature]:
    """First token, one past the last, and feature of a part.

    Raises:
        ShapeError: the feature has no such part.
    """
    extra, total = len(x.tokens), x.num_tokens
    if part == "all":
        return 0, total, x
    if part == "grid":
        return extra, total, x.grid_only
    if part == "tokens":
        if not extra:
            raise ShapeError(f"there are no extra tokens in {x}")
        return 0, extra, Feature(x.dim, None, x.tokens)
    if part in ("first", "last") or isinstance(part, int):
        index = 0 if part == "first" else total - 1 if part == "last" else int(part)
        if not 0 <= index < total:
            raise ShapeError(f"there is no token {part} in {x}")
        return index, index + 1, Feature(x.dim, None, (x.tokens[index],)) if index < extra else Feature(x.dim, count=1)
    if part in x.tokens:
        index = x.tokens.index(part)
        return index, index + 1, Feature(x.dim, None, (part,))
    raise ShapeError(
        f"there is no stream or part `{part}` here; the feature is {x}", did_you_mean(part, (*x.tokens, *PLACES))
    )


def _with_part(x: Feature, part: str | int, old: Feature, new: Feature) -> Feature:
    """The feature after one of its parts became another."""
    if new.dim != x.dim:
        raise ShapeError(
            f"a part of a feature keeps its width: {x} has {x.dim} channels, its part `{part}` would have {new.dim}",
            "`carry` brings extra tokens along where a stage widens the grid,"
            " or let the item act on all of the feature",
        )
    if part == "grid" and new.grid is not None and not new.tokens:
        return Feature(x.dim, new.grid, x.tokens)
    if new.num_tokens != old.num_tokens:
        raise ShapeError(f"the part `{part}` of {x} is {old}, and cannot become {new}")
    return x
