"""What frames are written with: what is the same all over a model, and a frame under construction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from vitdsl.elaborate.memo import Trace, TraceTable
from vitdsl.errors import ShapeError, did_you_mean
from vitdsl.features import Feature
from vitdsl.graph.ir import Call, Frame, Value
from vitdsl.parts.base import Part
from vitdsl.syntax.limits import ITEMS
from vitdsl.validate import SpecReader

Observed = dict[tuple[int, str], tuple[object, Any]]
"""What became of late arguments (the `use` by identity, the argument) and of forms (by identity, "")."""
Made = TypeVar("Made")


class Surroundings:
    """What is the same all over one elaboration.

    Attributes:
        reader: validates what is bound.
        classes: number of classes.
        image: size of the image.
        drops: whether the model has stochastic depth.
        work: how many items and repetitions were run.
        key: of all memos of what is elaborated here, but for what its traces hold.
        run_body: runs a body in a scope; parts call it, through their scope.
        run_part: lets a bound part write its nodes in a scope.
        observed: filled where it is given: what late arguments and forms with late values became.
    """

    __slots__ = ("classes", "drops", "image", "key", "observed", "reader", "run_body", "run_part", "work")

    def __init__(
        self,
        reader: SpecReader,
        classes: int,
        image: tuple[int, int],
        drops: bool,
        run_body: Callable[[Any, Any], None],
        run_part: Callable[[Any, Part, Value, str], Value],
    ) -> None:
        self.reader, self.classes, self.image, self.drops = reader, classes, image, drops
        self.run_body, self.run_part = run_body, run_part
        self.work = 0
        self.key = (reader.key, classes, image, drops)
        self.observed: Observed | None = None

    def observe(self, of: object, argument: str, became: Any) -> None:
        """Notes what became of a late argument of a `use`, or of a form; None where it became several things."""
        if self.observed is not None:
            _, before = self.observed.setdefault((id(of), argument), (of, became))
            if before != became:
                self.observed[id(of), argument] = (of, None)

    def remember(self, table: TraceTable, key: Any, trace: Trace, make: Callable[[], Made]) -> Made:
        """What a table kept for a key and a trace, or else what is made now; its work counts each time."""
        found = table.find(key, trace)
        if found is not None:
            made, work = found
            self.count(work)
            return made
        before = self.work
        made = make()
        table.keep_trace(key, trace, (made, self.work - before))
        return made

    def count(self, times: int = 1) -> None:
        """Counts an item that is about to be run, or its repetitions.

        Raises:
            ShapeError: there are too many.
        """
        self.work += times
        if ITEMS.exceeds(self.work):
            raise ShapeError(*ITEMS.fault("more"))


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
        ends: how many values blocks end with, a call of blocks counted as one.
    """

    __slots__ = ("ends", "frame", "outer", "paths", "streams")

    def __init__(self, outer: Callable[[str], Feature | None]) -> None:
        self.frame, self.outer = Frame(), outer
        self.streams: dict[str, Value] = {}
        self.paths: dict[str, int | None] = {}
        self.ends = 0

    def feature(self, name: str) -> Feature | None:
        """What a stream is, or None where there is none: what a frame below this one sees."""
        value = self.streams.get(name)
        return None if value is None else value.feature

    def copy(self) -> Builder:
        """A copy of the state, for the memo."""
        made = Builder(_nothing)
        made.resume(self)
        return made

    def resume(self, other: Builder) -> None:
        """Copies the state of another builder, whose surroundings were equal."""
        mine, theirs = self.frame, other.frame
        mine.features, mine.steps, mine.blocks = theirs.features.copy(), theirs.steps.copy(), theirs.blocks
        mine.idle = theirs.idle.copy()
        mine.inputs, mine.outputs = theirs.inputs.copy(), theirs.outputs.copy()
        mine.appends = {name: numbers.copy() for name, numbers in theirs.appends.items()}
        mine.marks = theirs.marks.copy()
        self.streams, self.paths = other.streams.copy(), other.paths.copy()

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
            return False
        value = self.value(found)
        self.streams[name] = value
        self.frame.inputs[name] = value.index
        return True

    def read(self, name: str) -> Value:
        """What a stream holds."""
        if not self.has(name):
            known = [other for other in self.streams if other and "@" not in other]
            name = name.partition("@")[0] or name
            raise ShapeError(f"there is no stream `{name}` here, or not yet", did_you_mean(name, known))
        return self.streams[name]

    def write(self, name: str, value: Value) -> None:
        """Binds a stream."""
        self.streams[name] = value
        self.frame.outputs[name] = value.index

    def append(self, name: str, value: Value) -> None:
        """Appends a token to a stream."""
        self.frame.appends.setdefault(name, []).append(value.index)

    def call(self, step: Call, blocks: int) -> None:
        """Appends a call that holds so many blocks."""
        if step.path in self.paths:
            hint = "give one of them another `name`"
            raise ShapeError(f"two bodies would both be called `{step.path}` here", hint)
        self.paths[step.path] = None
        self.frame.steps.append(step)
        self.frame.blocks += blocks
        self.ends += step.flows is not None

    def end(self, value: Value) -> None:
        """Notes that a block ends with a value."""
        self.ends += 1
        self.frame.ends.append(value.index)

    def done(self) -> Frame:
        """The frame, with what it wrote."""
        self.frame.recount()
        return self.frame
