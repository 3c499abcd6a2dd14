"""The place where a body writes its nodes: the current value, the streams, and the names that late values read."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from vitdsl.elaborate.binding import bind
from vitdsl.elaborate.builder import Builder, Surroundings
from vitdsl.elaborate.names import NameScope
from vitdsl.errors import ShapeError
from vitdsl.features import BYTES_PER_VALUE, LARGEST_SIZE, Cost, Feature
from vitdsl.graph.ir import Node, Place, Value
from vitdsl.graph.operators import Combine, Join, OpenWindows, Put, Sections, Take, WindowMask
from vitdsl.graph.portions import part_of, with_part
from vitdsl.parts.base import Part, Primitive
from vitdsl.parts.primitives.drop_path import DropPath
from vitdsl.parts.primitives.dropout import Dropout

_new = tuple.__new__
DROP_PATH, JOIN = DropPath(), Join()
COMBINED = {how: Combine.trusted(how=how) for how in ("add", "mean", "multiply", "concat")}


class Scope:
    """A place in a frame: the value that flows here, and the names that late values read.

    Attributes:
        current: the stream that the body works on, or None: a value of its own.
        here: the value that flows, where there is no stream.
        names: variables, arguments and indexes that late values read here.
        drop: what stochastic depth does here: `schedule`, `none`, or a Place that fixes it.
        block: number of the block that the sums of this body are, None where the next sum begins one.
        sharing: whether a module path may be met again here, by an operator that has the same weights.
        role: of the outermost item that is written here, as on nodes.
        within: whether this is inside a block, or where no block can be.
    """

    __slots__ = (
        "around", "block", "builder", "current", "drop", "exposed", "forbidden", "here", "names", "opened", "path",
        "role", "sharing", "times", "within",
    )  # fmt: skip

    def __init__(self, around: Surroundings, builder: Builder, current: str | None, names: NameScope) -> None:
        self.around, self.builder, self.current, self.names = around, builder, current, names
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
        made.around, made.builder, made.current, made.names = self.around, self.builder, current, self.names
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
    def image(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.around.image

    def stream(self, name: str) -> Value:
        """What a stream holds."""
        if self.opened is not None and not self.builder.has(self.named(name)) and self.builder.has(name):
            raise ShapeError(f"`{name}` was written outside of these windows, and cannot be read inside of them")
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
        """The part with the values of its late values, which may name the feature that enters it."""
        if not part.open:
            return part
        bound = bind(part, self.names.at(x), self.around.reader)
        if bound.expands:
            self.around.observe(part, "", bound)
        return bound

    def emit(self, part: Part, x: Value, path: str) -> Value:
        """Binds a part to what enters it, and lets it write its nodes."""
        bound = self.bound(part, x.feature)
        return self.around.run_part(self, bound, x, path) if bound.expands else bound.emit(self, x, path)

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
            self.around.run_body(inside, body)
        except ShapeError as fault:
            fault.trail += reversed(path.split(".")[1:])  # `mixer.maps.after`: the keys below the role
            raise
        return inside.flow

    def place(self, drop: str | Place) -> Place | None:
        """Where on the schedule a sum of this body stands; None: it never drops.

        Args:
            drop: what stochastic depth does to the sum, as `drop` of a scope.
        """
        if isinstance(drop, Place):
            return drop
        if drop == "none" or not self.around.drops:
            return None
        if self.block is None:
            self.block = self.builder.frame.blocks
            self.builder.frame.blocks += 1
        return Place(self.block)

    def drop_path(self, x: Value, place: Place | None) -> Value:
        """Stochastic depth, where there is any."""
        return x if place is None else self.add(DROP_PATH, (x,), "drop_path", place)

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
        whole = with_part(x.feature, part, feature, y.feature)
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
