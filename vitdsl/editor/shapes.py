"""What goes into each item of a text, what comes out, and what it costs: the elaboration of the spec, watched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any

from vitdsl.editor.document import Document
from vitdsl.elaborate.binding import bind_key
from vitdsl.elaborate.scope import Scope
from vitdsl.elaborate.stages import elaborate
from vitdsl.errors import Refusal, ShapeError
from vitdsl.features import Cost, Feature
from vitdsl.graph.ir import HERE, Call
from vitdsl.parts.base import Fields
from vitdsl.spec import Spec, paused
from vitdsl.syntax.locate import holes_in, mark_of
from vitdsl.syntax.paths import Segment
from vitdsl.validate import Body, Item

SHOWN = 3
"""Shapes that are shown of an item that runs on several."""
_GRID = re.compile(r"(?<!\w)(\d+)x(\d+)(?=·\d+$)")
Place = tuple[Segment, ...]


@dataclass
class Run:
    """What an item does, at all places where it runs.

    Attributes:
        inputs: the features that enter it, each once.
        outputs: the features that it leaves, with the stream where it is not the one that flows.
        costs: of one run each; each once.
        is_item: whether it is an item, rather than a part that stands alone, such as a stage's norm.
    """

    inputs: list[tuple[str, Feature]] = field(default_factory=list)
    outputs: list[tuple[str, Feature]] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    is_item: bool = True


@dataclass
class _Running:
    """A body that is running: where it is written, or None where it is not written, and its present item."""

    place: Place | None
    body: Body
    scope: Scope
    item: Any = None
    at: Place | None = None
    before: tuple[str, Feature] | None = None
    steps: int = 0
    met: dict[int, int] = field(default_factory=dict)


class Watch:
    """Notes what runs, by written path. Bodies are told apart by identity, and by what holds them.

    Attributes:
        runs: what each item does, by written path.
    """

    def __init__(self) -> None:
        self.runs: dict[Place, Run] = {}
        self._owner: tuple[Any, Place] = (None, ())
        self._running: list[_Running] = []

    def begin(self, owner: Any, path: tuple[str | int, ...]) -> None:
        """A stage or a head begins."""
        self._owner, self._running = (owner, path), []

    def enter(self, scope: Scope, body: Body) -> None:
        """A body begins to run."""
        place = self._place_of(body)
        self._running.append(_Running(place, body, scope))
        if body.bare and place is not None:
            self._begin(body.items[0], place)

    def item(self, index: int) -> None:
        """The next item of the body begins."""
        self._end()
        running = self._running[-1]
        if running.place is not None:
            own = (*running.place, index) if running.body.listed else running.place
            self._begin(running.body.items[index], own)

    def leave(self) -> None:
        """The body has run."""
        self._end()
        self._running.pop()

    def _begin(self, item: Any, at: Place) -> None:
        running = self._running[-1]
        running.item, running.at, running.met = item, at, {}
        running.steps = len(running.scope.builder.frame.steps)
        running.before = _flowing(running.scope, item)

    def _end(self) -> None:
        running = self._running[-1]
        if running.at is None:
            return
        run = self.runs.setdefault(running.at, Run(is_item=not running.body.bare))
        for found, feature in ((run.inputs, running.before), (run.outputs, _flowing(running.scope, running.item))):
            if feature is not None and feature not in found:
                found.append(feature)
        cost = _cost(running.scope.builder.frame.steps[running.steps :])
        run.costs += [cost] if cost not in run.costs else []
        running.at = running.item = None

    def _place_of(self, body: Body) -> Place | None:
        """Where a body is written: below the item that runs, or below the stage or the head."""
        if not self._running:
            owner, path = self._owner
            inside = _within(owner, body)
            return None if inside is None else path if inside == ("body",) and path == ("head",) else (*path, *inside)
        above = self._running[-1]
        if above.at is None or not isinstance(above.item, Item):
            return None
        item, seen = above.item, above.met.get(id(body), 0)
        above.met[id(body)] = seen + 1
        if item.role == "use":
            return ("define", item.use, "body") if not seen else None
        if item.role == "body" and item.body is body:
            return (*above.at, "body")
        if item.role == "parallel":
            same = [index for index, branch in enumerate(item.branches) if branch is body]
            return (*above.at, "parallel", same[seen]) if seen < len(same) else None
        inside = _within(item.part, body)
        if inside is not None:
            return (*above.at, item.role, *inside)
        inside = _within(item.wiring, body)
        return None if inside is None else (*above.at, *inside)


def _within(fields: Any, body: Body) -> Place | None:
    """The keys below which a mapping holds a body."""
    if not isinstance(fields, Fields):
        return None
    for name, value in fields.__dict__.items():
        key = fields.fields[name].key
        if value is body:
            return (key,)
        if isinstance(value, Mapping):
            found = next(((key, inner) for inner, each in value.items() if each is body), None)
            if found is not None:
                return found
        inside = _within(value, body)
        if inside is not None:
            return (key, *inside)
    return None


def _flowing(scope: Scope, item: Any) -> tuple[str, Feature] | None:
    """The feature that an item works on, with the name of its stream where it is another one than that which flows."""
    at = None
    if isinstance(item, Item):
        with suppress(ShapeError, Refusal):
            at = bind_key(scope, item, "at")
    name = at.partition(".")[0] if isinstance(at, str) else ""
    feature = _peek(scope, name) if name else None
    if feature is not None:
        return name, feature
    if scope.current is None:
        return None if scope.here is None else ("", scope.here.feature)
    feature = _peek(scope, scope.current)
    return None if feature is None else ("", feature)


def _peek(scope: Scope, name: str) -> Feature | None:
    """The feature of a stream, which does not become an input of the frame by it."""
    return scope.builder.feature(name) or (scope.builder.outer(name) if name != HERE else None)


def _cost(steps: list[Any]) -> Cost:
    """The cost of steps of a frame."""
    costs = ([frame.cost for frame in step.frames] if isinstance(step, Call) else [step.cost] for step in steps)
    return sum(chain.from_iterable(costs), Cost())


def runs_of(spec: Spec) -> dict[Place, Run]:
    """What each item of a spec does, by written path; up to the first that does not fit."""
    watch = Watch()
    if not holes_in(spec.tree):
        with paused(), suppress(ShapeError, Refusal, RecursionError):
            elaborate(spec.model, spec.reader, None, None, watch)
    return watch.runs


@lru_cache(maxsize=8)
def runs_in(document: Document) -> dict[int, Run]:
    """What each item that is written in a text does, by the offset at which the item begins."""
    spec = document.report.spec
    found: dict[int, Run] = {}
    if spec is None:
        return found
    for place, run in runs_of(spec).items():
        if _is_there(spec, place):
            offset = document.offset_of(mark_of(spec.tree, place))
            if offset is not None and offset in document.starts:
                found.setdefault(offset, run)
    return found


def _is_there(spec: Spec, place: Place) -> bool:
    """Whether the merged file has a value at a path; a define of the library is in another file."""
    node: Any = spec.tree
    try:
        for key in place:
            node = node[key]
    except (LookupError, TypeError):
        return False
    return True


def hints(document: Document) -> Iterator[tuple[int, str]]:
    """What editors show behind each item: the offset, and the shape that comes out."""
    for offset, run in sorted(runs_in(document).items()):
        if run.outputs and (run.is_item or run.inputs != run.outputs):
            yield _behind(document, offset), f"→ {shapes(run.outputs)}"


def _behind(document: Document, offset: int) -> int:
    """Where the hint of an item stands: behind it, or behind its first line where it has several."""
    line, _ = document.outline.position(offset)
    node = document.starts[offset]
    if node.end <= document.outline.line_end(line):
        return node.end
    inside = [each.end for each in document.outline.nodes() if offset <= each.start and each.end <= node.end]
    end = max(end for end in inside if document.outline.position(end)[0] == line)
    return end + document.text.startswith(":", end)


def shapes(found: list[tuple[str, Feature]]) -> str:
    """Features in words, with the names of their streams."""
    words = [f"{name} {shape(feature)}".strip() for name, feature in found[:SHOWN]]
    return ", ".join(words) + (", …" if len(found) > SHOWN else "")


def shape(feature: Feature) -> str:
    """A feature as `show` writes it, with a sign between the sides of its grid."""
    return _GRID.sub(r"\1×\2", str(feature))
