"""The context of an elaboration, and the frame under construction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from vitdsl.elaborate.memo import Trace, TraceTable
from vitdsl.errors import ShapeError, did_you_mean
from vitdsl.features import Feature
from vitdsl.graph.ir import Call, Frame, Value
from vitdsl.parts.base import Part
from vitdsl.syntax.limits import ITEMS
from vitdsl.validate import SpecReader

Observed = dict[tuple[int, str], tuple[object, Any]]
"""Values of late arguments, by (identity of the `use`, argument), and bound forms, by (identity, "")."""
Made = TypeVar("Made")


class Watcher(Protocol):
    """Is told what runs, body by body; while somebody watches, nothing comes from a memo."""

    def begin(self, owner: Any, path: tuple[str | int, ...]) -> None:
        """A stage or a head begins, whose fields stand at this written path."""
        ...

    def enter(self, scope: Any, body: Any) -> None:
        """A body begins to run in a scope."""
        ...

    def item(self, index: int) -> None:
        """The next item of the innermost body begins."""
        ...

    def leave(self) -> None:
        """The innermost body has run."""
        ...


class Context:
    """What all scopes of one elaboration share.

    Attributes:
        reader: validates bound values.
        classes: number of classes.
        image: size of the image.
        drops: whether the model has stochastic depth.
        work: the number of items and repetitions run so far.
        key: the part of memo keys that is the same in all scopes.
        run_body: runs a body in a scope; parts call it, through their scope.
        run_part: lets a bound part write its nodes in a scope.
        observed: collects values of late arguments and bound forms, unless it is None.
        watcher: is told what runs, unless it is None.
    """

    __slots__ = ("classes", "drops", "image", "key", "observed", "reader", "run_body", "run_part", "watcher", "work")

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
        self.watcher: Watcher | None = None

    def observe(self, of: object, argument: str, value: Any) -> None:
        """Notes the value of a late argument of a `use`, or a bound form; None if there are several values."""
        if self.observed is not None:
            _, before = self.observed.setdefault((id(of), argument), (of, value))
            if before != value:
                self.observed[id(of), argument] = (of, None)

    def remember(self, table: TraceTable, key: Any, trace: Trace, make: Callable[[], Made]) -> Made:
        """The entry of a table for a key and a trace; made now if there is none. Its work counts in either case."""
        if self.watcher is not None:
            return make()
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
        """Counts items or repetitions.

        Raises:
            ShapeError: there are too many of them.
        """
        self.work += times
        if ITEMS.exceeds(self.work):
            raise ShapeError(*ITEMS.fault("more"), code="E501")


class Ends:
    """The values that blocks of a frame end with.

    Attributes:
        found: the module path of each block, by the number of the value.
        count: how many there are; a call of blocks counts as one.
    """

    __slots__ = ("count", "found")

    def __init__(self, found: dict[int, str]) -> None:
        self.found, self.count = found, 0

    def note(self, value: Value, path: str) -> None:
        """Notes that a block ends with a value."""
        self.count += 1
        self.found[value.index] = path


def _nothing(name: str) -> Feature | None:
    """The streams outside of the model: there are none."""
    return None


class Builder:
    """A frame under construction.

    Attributes:
        frame: the frame.
        outer: gives the feature of a stream outside of the frame.
        streams: values by stream.
        paths: the number of the node at each module path; None at the path of a call.
        chain: the ends of blocks that follow one another.
        maps: the ends of all blocks.
    """

    __slots__ = ("chain", "frame", "maps", "outer", "paths", "streams")

    def __init__(self, outer: Callable[[str], Feature | None]) -> None:
        self.frame, self.outer = Frame(), outer
        self.streams: dict[str, Value] = {}
        self.paths: dict[str, int | None] = {}
        self.chain, self.maps = Ends(self.frame.ends), Ends(self.frame.maps)

    def feature(self, name: str) -> Feature | None:
        """The feature of a stream, or None; frames inside this one ask for it."""
        value = self.streams.get(name)
        return None if value is None else value.feature

    def copy(self) -> Builder:
        """A copy of the state, for the memo."""
        made = Builder(_nothing)
        made.resume(self)
        return made

    def resume(self, other: Builder) -> None:
        """Takes over the state of another builder, which had equal surroundings."""
        mine, theirs = self.frame, other.frame
        mine.features, mine.steps, mine.blocks = theirs.features.copy(), theirs.steps.copy(), theirs.blocks
        mine.idle = theirs.idle.copy()
        mine.inputs, mine.outputs = theirs.inputs.copy(), theirs.outputs.copy()
        mine.appends = {name: numbers.copy() for name, numbers in theirs.appends.items()}
        mine.marks = theirs.marks.copy()
        self.streams, self.paths = other.streams.copy(), other.paths.copy()

    def value(self, feature: Feature) -> Value:
        """A new value."""
        return Value(self.frame.add_value(feature), feature)

    def has(self, name: str) -> bool:
        """Whether a stream holds a value; one of the outer frame becomes an input."""
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
        """The value of a stream."""
        if not self.has(name):
            known = [other for other in self.streams if other and "@" not in other]
            name = name.partition("@")[0] or name
            raise ShapeError(f"there is no stream `{name}` here, or not yet", did_you_mean(name, known), code="E307")
        return self.streams[name]

    def write(self, name: str, value: Value) -> None:
        """Binds a stream."""
        self.streams[name] = value
        self.frame.outputs[name] = value.index

    def append(self, name: str, value: Value) -> None:
        """Appends a token to a stream."""
        self.frame.appends.setdefault(name, []).append(value.index)

    def call(self, step: Call, blocks: int) -> None:
        """Appends a call that has this number of blocks."""
        if step.path in self.paths:
            hint = "give one of them another `name`"
            raise ShapeError(f"two bodies would both be called `{step.path}` here", hint, code="E312")
        self.paths[step.path] = None
        self.frame.steps.append(step)
        self.frame.blocks += blocks
        self.chain.count += step.flows is not None
        self.maps.count += step.works_on is not None

    def finish(self) -> Frame:
        """Counts costs and modules, and gives the frame."""
        self.frame.recount()
        return self.frame
