"""A graph whose points can be got at: each goes through a module of its own, which may be watched or replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import ClassVar, Literal, NamedTuple

from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, Node, cost_of, joined
from vitdsl.graph.views.blocks import copy_frame
from vitdsl.graph.views.taps import Tap

FOLDER = "_points"
"""The module that holds those of a body's points; no name of a spec begins with `_`."""


class Point(Tap):
    """Gives what it takes, as tokens (B, N, C) outside of every window; no new memory."""

    view: ClassVar[bool] = True
    type: Literal["point"] = "point"  # type: ignore[assignment]


class MapPoint(Point):
    """Gives what it takes, as a map (B, C, H, W): what has a grid alone, attention maps among it."""

    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"


class PointModule(NamedTuple):
    """A point of a model.

    Attributes:
        path: of its module, an identity that may be hooked or replaced.
        feature: what goes through it: a map (B, C, H, W) where it has a grid alone, else tokens (B, N, C).
    """

    path: str
    feature: Feature


def point_names(graph: Graph) -> list[str]:
    """The names of all points of a graph, in order."""
    return list(dict.fromkeys(name for _, frame in graph.frame.below() for name in frame.marks))


def with_points(graph: Graph, names: Collection[str]) -> Graph:
    """A graph that computes the same with the same weights, in which each point of these names is a module.

    Requires: any graph. Ensures: a value at a point goes through the module `_points.NAME` of its body, as `Point` or
    `MapPoint` gives it. Modified: the frames with such points, and those around them.
    """
    return graph._replace(frame=_opened(graph.frame, names, {}))


def point_modules(graph: Graph, name: str) -> list[PointModule]:
    """Of a graph `with_points`, the points of a name, one for each repetition, in the order of the model."""
    ending = joined(FOLDER, name)
    return [
        PointModule(path, frame.features[node.output])
        for path, node, frame in graph.frame.nodes()
        if isinstance(node.op, Point) and node.path == ending
    ]


def _opened(frame: Frame, names: Collection[str], known: dict[int, Frame]) -> Frame:
    """A frame with modules at its points; the same frame where it has none."""
    if id(frame) not in known:
        opened = _Opened(frame, names, known)
        known[id(frame)] = opened.frame if opened.changed else frame
    return known[id(frame)]


class _Opened:
    """A frame with modules at its points.

    Attributes:
        frame: the new frame; values keep their numbers, and those behind points have new ones.
        changed: whether it has any points, or calls frames that have.
    """

    def __init__(self, frame: Frame, names: Collection[str], known: dict[int, Frame]) -> None:
        self.frame = copy_frame(frame)
        self._behind = {number: number for number in range(len(frame.features))}
        self._names = {name: number for name, number in frame.marks.items() if name in names}
        self.frame.steps = []
        self.changed = bool(self._names)
        self._open([*frame.inputs.values()])
        for step in frame.steps:
            made = self._node(step) if isinstance(step, Node) else self._call(step, names, known)
            self.frame.steps.append(made)
            self._open([*_gives(step)])
        behind = self._behind
        self.frame.outputs = {name: behind[number] for name, number in frame.outputs.items()}
        self.frame.appends = {name: [behind[n] for n in numbers] for name, numbers in frame.appends.items()}
        self.frame.marks = {name: behind[number] for name, number in frame.marks.items()}
        self.frame.ends = {behind[number]: path for number, path in frame.ends.items()}
        self.frame.maps = {behind[number]: path for number, path in frame.maps.items()}
        self.frame.start = None if frame.start is None else behind[frame.start]
        if self.changed:
            self.frame.recount()

    def _node(self, node: Node) -> Node:
        return node._replace(inputs=tuple(self._behind[number] for number in node.inputs))

    def _call(self, call: Call, names: Collection[str], known: dict[int, Frame]) -> Call:
        frames = tuple(_opened(frame, names, known) for frame in call.frames)
        self.changed = self.changed or any(new is not old for new, old in zip(frames, call.frames, strict=True))
        return call._replace(frames=frames, reads={name: self._behind[n] for name, n in call.reads.items()})

    def _open(self, numbers: list[int]) -> None:
        """Puts the modules of points behind values that are there now."""
        for name, number in self._names.items():
            if number not in numbers:
                continue
            before = self._behind[number]
            feature = self.frame.features[before]
            op = (MapPoint if feature.grid is not None and not feature.tokens else Point).trusted()
            behind = self._behind[number] = self.frame.add_value(feature)
            node = Node(joined(FOLDER, name), op, (before,), behind, cost_of(op, [feature], feature))
            self.frame.steps.append(node)


def _gives(step: Node | Call) -> Iterator[int]:
    """The numbers of the values that a step makes."""
    if isinstance(step, Node):
        yield step.output
    else:
        yield from (*step.gives.values(), *step.appends.values())
