"""The scope in which a body writes its nodes: the current value, the streams, and the names of late values."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from vitdsl.elaborate.binding import bind
from vitdsl.elaborate.builder import Builder, Context
from vitdsl.elaborate.names import NameScope
from vitdsl.errors import ShapeError
from vitdsl.features import BYTES_PER_VALUE, LARGEST_SIZE, Cost, Feature
from vitdsl.graph.ir import DropPoint, Node, Value
from vitdsl.graph.operators import Combine, Join, OpenWindows, Put, Sections, Take, WindowMask
from vitdsl.graph.portions import portion_of, with_portion
from vitdsl.parts.base import Part, Primitive
from vitdsl.parts.primitives.drop_path import DropPath
from vitdsl.parts.primitives.dropout import Dropout

_new = tuple.__new__
DROP_PATH, JOIN = DropPath(), Join()
COMBINED = {how: Combine.trusted(how=how) for how in ("add", "mean", "multiply", "concat")}


class Scope:
    """A scope in a frame: the current value, and the names that late values read.

    Attributes:
        current: the stream that the body works on; None if it works on a value of its own.
        here: the current value, if there is no stream.
        names: variables, arguments and indexes that late values read here.
        drop: how stochastic depth applies here: `schedule`, `none`, or a fixed DropPoint.
        block: number of the block that the sums of this body belong to; None if the next sum begins a block.
        times: the number of windows that a node here runs in.
        windows: the windows that are open here, or None.
        exposed: inner values of the mixer that a shortcut may start from, by name.
        forbidden: streams that cannot be written here, since the value of this body goes back to them.
        sharing: whether a second operator at a module path shares the weights of the first.
        role: of the outermost item of this scope, as on nodes.
        in_block: whether no block can begin here: this is inside a block, an embedding or a head.
        in_branch: whether what is made here is only added to something, or is an embedding or of a head.
    """

    __slots__ = (
        "block", "builder", "context", "current", "drop", "exposed", "forbidden", "here", "in_block", "in_branch",
        "names", "path", "role", "sharing", "times", "windows",
    )  # fmt: skip

    def __init__(self, context: Context, builder: Builder, current: str | None, names: NameScope) -> None:
        self.context, self.builder, self.current, self.names = context, builder, current, names
        self.here: Value | None = None
        self.path = ""
        self.drop: str | DropPoint = "schedule"
        self.block: int | None = None
        self.times = 1
        self.windows: OpenWindows | None = None
        self.exposed: dict[str, Value] = {}
        self.forbidden: frozenset[str] = frozenset()
        self.sharing = False
        self.role, self.in_block, self.in_branch = "", False, False

    def child(self, current: str | None, here: Value | None = None, path: str = "") -> Scope:
        """A scope inside this one, in the same frame."""
        made = Scope.__new__(Scope)
        made.context, made.builder, made.current, made.names = self.context, self.builder, current, self.names
        above = self.path
        made.here, made.path = here, f"{above}.{path}" if above and path else above or path
        made.drop, made.block, made.times, made.windows = self.drop, self.block, self.times, self.windows
        made.exposed, made.forbidden, made.sharing = self.exposed, self.forbidden, self.sharing
        made.role, made.in_block, made.in_branch = self.role, self.in_block, self.in_branch
        return made

    # ------------------------------------------------------------ values

    @property
    def flow(self) -> Value:
        """The current value."""
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
        return self.context.classes

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.context.image

    def stream(self, name: str) -> Value:
        """The value of a stream."""
        if self.windows is not None and not self.builder.has(self.scoped_name(name)) and self.builder.has(name):
            message = f"`{name}` was written outside of these windows, and cannot be read inside of them"
            raise ShapeError(message, code="E309")
        return self.builder.read(self.scoped_name(name))

    def scoped_name(self, name: str) -> str:
        """The name of a stream in this scope: inside of windows a stream has one value a window, under another name."""
        return name if self.windows is None else f"{name}@{self.windows.size}{self.windows.shift}{self.windows.grid}"

    def mark(self, name: str, x: Value) -> Value:
        """Gives a value a name that recipes know."""
        self.builder.frame.marks[name] = x.index
        return x

    def expose(self, name: str, x: Value) -> None:
        """Offers an inner value of the mixer to the shortcut, which may start from it."""
        self.exposed[name] = x

    # ------------------------------------------------------------ nodes

    def add(self, op: Primitive, inputs: Sequence[Value], path: str | None, point: DropPoint | None = None) -> Value:
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
            message = f"no feature has more than {LARGEST_SIZE:,} values, but this would be {output}"
            raise ShapeError(message, code="E506")
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
        frame.steps.append(_new(Node, (where, op, read, index, cost, shared, times, point, self.role)))
        return Value(index, output)

    def _share(self, path: str, op: Primitive, params: int, features: Sequence[Feature]) -> None:
        """Refuses a second operator at a path, unless it shares the weights of the first on purpose."""
        if not self.sharing:
            hint = "give one of them another `name`"
            raise ShapeError(f"two operators would both be called `{path}` here", hint, code="E312")
        there, frame = self.builder.paths[path], self.builder.frame
        step = None if there is None else frame.steps[there]
        widths = [x.dim for x in features]
        if (
            not isinstance(step, Node)
            or (step.op, step.cost.params) != (op, params)
            or ([frame.features[number].dim for number in step.inputs] != widths)
        ):
            raise ShapeError(
                "the same weights act on the item's input and on its keys, so both must be alike",
                "`keys: {from: …, pre: …}` gives the bank weights of its own",
                code="E407",
            )

    def bound(self, part: Part, x: Feature) -> Part:
        """The part with its late values evaluated; they may name the feature that enters it."""
        if not part.open:
            return part
        bound = bind(part, self.names.at(x), self.context.reader)
        if bound.expands:
            self.context.observe(part, "", bound)
        return bound

    def emit(self, part: Part, x: Value, path: str) -> Value:
        """Binds a part to its input, and writes its nodes."""
        bound = self.bound(part, x.feature)
        return self.context.run_part(self, bound, x, path) if bound.expands else bound.emit(self, x, path)

    def emit_dropout(self, rate: float, x: Value, path: str) -> Value:
        """Appends dropout, unless the rate is 0."""
        return self.add(Dropout.trusted(rate=rate), (x,), path) if rate else x

    def run(self, body: Any, x: Value, path: str) -> Value:
        """Runs a body inside an operator, on a value of its own."""
        if body is None:
            return x
        inside = self.child(None, x, path)
        inside.drop, inside.in_branch = "none", True
        try:
            self.context.run_body(inside, body)
        except ShapeError as fault:
            fault.trail += reversed(path.split(".")[1:])  # `mixer.maps.after`: the keys below the role
            raise
        return inside.flow

    def drop_point(self, drop: str | DropPoint) -> DropPoint | None:
        """The point of a sum of this body on the schedule of stochastic depth; None if it never drops.

        Args:
            drop: how stochastic depth applies to the sum, as `drop` of a scope.
        """
        if isinstance(drop, DropPoint):
            return drop
        if drop == "none" or not self.context.drops:
            return None
        if self.block is None:
            self.block = self.builder.frame.blocks
            self.builder.frame.blocks += 1
        return DropPoint(self.block)

    def drop_path(self, x: Value, point: DropPoint | None) -> Value:
        """Appends stochastic depth, unless the point is None."""
        return x if point is None else self.add(DROP_PATH, (x,), "drop_path", point)

    # ------------------------------------------------------------ portions of features

    def take(self, x: Value, part: str | int) -> Value:
        """A portion of a feature."""
        start, stop, feature = portion_of(x.feature, part)
        if feature is x.feature or feature == x.feature:
            return x
        return self.add(Take.trusted(start=start, stop=stop, feature=feature), (x,), None)

    def put(self, x: Value, part: str | int, y: Value) -> Value:
        """The feature `x` with one portion replaced by `y`."""
        start, stop, feature = portion_of(x.feature, part)
        if feature == x.feature:
            return y
        whole = with_portion(x.feature, part, feature, y.feature)
        return self.add(Put.trusted(start=start, stop=stop, feature=whole), (x, y), None)

    def join(self, values: Sequence[Value]) -> Value:
        """All tokens of several features of one width, in order."""
        return values[0] if len(values) == 1 else self.add(JOIN, values, None)

    def combine(self, how: Any, values: Sequence[Value]) -> Value:
        """Merges several features."""
        return values[0] if len(values) == 1 else self.add(COMBINED[how], values, None)

    def sections(self, x: Value, dims: Sequence[int]) -> list[Value]:
        """The channels of a feature, cut into sections of these widths."""
        if len(dims) == 1:
            return [x]
        cuts = [sum(dims[:i]) for i in range(len(dims) + 1)]
        return [self.add(Sections.trusted(start=a, stop=b), (x,), None) for a, b in itertools.pairwise(cuts)]

    def window_mask(self) -> Value | None:
        """The attention mask of the open windows; None if every pair of tokens of a window may meet."""
        windows = self.windows
        if windows is None or (windows.shift == (0, 0) and windows.padding == (0, 0)):
            return None
        return self.add(WindowMask.trusted(opened=windows), (), "mixer.mask")
