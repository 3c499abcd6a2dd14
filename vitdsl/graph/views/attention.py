"""The mixers of a graph, and a graph that gives their attention maps."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import ClassVar, Literal, NamedTuple

from vitdsl.features import Cost, Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, Node, cost_of, joined
from vitdsl.graph.operators import CloseWindows, OpenWindows
from vitdsl.graph.views.blocks import copy_frame
from vitdsl.parts.base import Primitive
from vitdsl.parts.primitives.attend import Attend
from vitdsl.parts.primitives.dropout import Dropout
from vitdsl.parts.primitives.dynamic_conv import DynamicConv
from vitdsl.parts.primitives.gather import Gather
from vitdsl.parts.primitives.weigh import Weigh

Windows = tuple[OpenWindows, ...]


class Mixer(NamedTuple):
    """A mixer, or a dynamic convolution.

    Attributes:
        path: its module path.
        queries: what asks; in windows, that of one window.
        keys: what is asked, likewise.
        heads: of its attention map.
        windows: those that it runs in, the outermost first.
        softmax: whether each row of its map is a softmax, and nothing was done to it; dropout apart.
        without_map: why it has no attention map; empty where it has one.
    """

    path: str
    queries: Feature
    keys: Feature
    heads: int
    windows: Windows
    softmax: bool
    without_map: str


# ---------------------------------------------------------------- finding


class _State(NamedTuple):
    """The windows that a value is in, and whether its rows are those of a softmax."""

    windows: Windows = ()
    softmax: bool = False


def find_mixers(graph: Graph) -> list[Mixer]:
    """All mixers and dynamic convolutions, each repetition's own, in the order in which they run."""
    states = dict.fromkeys(graph.frame.inputs.values(), _State())
    return [*_found(graph.frame, "", states)]


def _found(frame: Frame, prefix: str, states: dict[int, _State]) -> Iterator[Mixer]:
    """The mixers of a frame and of what it calls; `states` holds its inputs, and gets all other values."""
    for step in frame.steps:
        if isinstance(step, Node):
            states[step.output] = _state(step, states)
            if _is_mixer(step):
                yield _mixer(frame, step, prefix, states)
            continue
        state = {name: states[number] for name, number in step.reads.items()}
        for path, inner in step.paths():
            inside = {number: state[name] for name, number in inner.inputs.items()}
            yield from _found(inner, joined(prefix, path), inside)
            state |= {name: inside[number] for name, number in inner.outputs.items()}
        states |= {number: state[name] for name, number in step.gives.items()}
        states |= dict.fromkeys(step.appends.values(), _State())


def _state(node: Node, states: dict[int, _State]) -> _State:
    op, inputs = node.op, [states[number] for number in node.inputs]
    windows = max((each.windows for each in inputs), key=len, default=())
    if isinstance(op, OpenWindows):
        return _State((*windows, op))
    if isinstance(op, CloseWindows):
        return _State(windows[:-1])
    if isinstance(op, Weigh):
        return _State(windows, (op.activation, op.normalize) == ("softmax", "none"))
    return _State(windows, isinstance(op, Dropout) and inputs[0].softmax)


def _is_mixer(node: Node) -> bool:
    """Whether a node is what a mixer mixes by: scores make a map, by which `gather` mixes."""
    return isinstance(node.op, Gather) or (bool(node.op.dynamic) and not node.op.pairs)


def mixer_path(prefix: str, node: Node) -> str:
    """The module path of the mixer that mixes by a node."""
    return joined(prefix, node.path if isinstance(node.op, DynamicConv) else node.path.rpartition(".")[0])


def _mixer(frame: Frame, node: Node, prefix: str, states: dict[int, _State]) -> Mixer:
    op, features = node.op, [frame.features[number] for number in node.inputs]
    path, windows = mixer_path(prefix, node), states[node.output].windows
    if isinstance(op, Gather):
        return Mixer(path, op.queries, features[1], features[0].dim, windows, states[node.inputs[0]].softmax, "")
    if isinstance(op, Attend):
        return Mixer(path, features[0], features[1], op.heads, windows, True, "")
    why = op.without_map or f"its part `{op.type}` gives none"
    return Mixer(path, features[0], features[min(1, len(features) - 1)], 0, windows, False, why)


# ---------------------------------------------------------------- opening


class MapOfAttend(Primitive):
    """The attention maps of an `attend`, by its module. Shape: as `scores`, with the mask. Cost: as `scores`."""

    family: ClassVar[str] = "internal"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    gives: ClassVar[Literal["same", "tokens", "map"]] = "map"
    pairs: ClassVar[bool] = True
    type: Literal["map_of_attend"] = "map_of_attend"
    heads: int
    extras: tuple[str, ...] = ()

    def infer(self, *inputs: Feature) -> Feature:
        """Maps: a channel a head, on a grid of queries and keys."""
        q, k = inputs[:2]
        return Feature(self.heads, (q.num_tokens, k.num_tokens))

    def cost(self, *inputs: Feature) -> Cost:
        """As the class says."""
        q, k = inputs[:2]
        return Cost(macs=q.num_tokens * k.size)


class Weighed(Gather):
    """What `gather` gives, where there is no module for it."""

    type: Literal["weighed"] = "weighed"  # type: ignore[assignment]


class SeenMap(Primitive):
    """Gives the maps that it takes, as `gather` takes them: (B, heads, queries, keys). Cost: nothing."""

    family: ClassVar[str] = "internal"
    view: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    type: Literal["seen_map"] = "seen_map"


SEEN = SeenMap()


class Opened(NamedTuple):
    """A graph that gives attention maps.

    Attributes:
        graph: the graph.
        maps: numbers of the maps in its frame, by the path of their mixer.
        repetitions: module paths of the repetitions in which the maps are: their own forwards do not give them.
        attends: module paths of the operators that keep their maps to themselves.
    """

    graph: Graph
    maps: dict[str, int]
    repetitions: tuple[str, ...]
    attends: tuple[str, ...]


def with_maps(graph: Graph, paths: Collection[str]) -> Opened:
    """A graph that computes the same by the same modules, and gives the attention maps of some mixers.

    Requires: any graph; paths of mixers that have a map. Ensures: values at a mixer are weighed by the map that is
    given. Modified: the frames with such mixers, and those around them; each repetition of those has its own.
    """
    opened = _Opened(graph.frame, "", paths)
    return Opened(graph._replace(frame=opened.frame), opened.maps, tuple(opened.repetitions), tuple(opened.attends))


class _Opened:
    """A frame that gives attention maps; all values keep their numbers.

    Attributes:
        frame: the new frame.
        maps: numbers of the maps in it, by the path of their mixer.
        repetitions: as `Opened` has them, below this frame.
        attends: likewise.
    """

    def __init__(self, frame: Frame, prefix: str, paths: Collection[str]) -> None:
        self.frame, self._prefix, self._paths = copy_frame(frame), prefix, paths
        self.maps: dict[str, int] = {}
        self.repetitions: list[str] = []
        self.attends: list[str] = []
        self.frame.steps = []
        for step in frame.steps:
            if isinstance(step, Call):
                self._call(step)
            elif _is_mixer(step) and (path := mixer_path(prefix, step)) in paths:
                self._node(step, path)
            else:
                self.frame.steps.append(step)
        self.frame.recount()

    def _node(self, node: Node, path: str) -> None:
        """Puts what gives the map before what weighs by it."""
        op = node.op
        if isinstance(op, Gather):
            self.maps[path] = seen = self._add("", SEEN, node.inputs[:1], node.times)
            self.frame.steps.append(node._replace(inputs=(seen, node.inputs[1])))
            return
        assert isinstance(op, Attend)
        self.attends.append(joined(self._prefix, node.path))
        q, k, v, *extras = node.inputs
        of_attend = MapOfAttend.trusted(heads=op.heads, extras=op.extras)
        self.maps[path] = found = self._add(node.path, of_attend, (q, k, *extras), node.times)
        weighed = Weighed.trusted(queries=self.frame.features[q])
        features = [self.frame.features[number] for number in (found, v)]
        cost = cost_of(weighed, features, self.frame.features[node.output], node.times)
        self.frame.steps.append(node._replace(path="", op=weighed, inputs=(found, v), cost=cost))

    def _add(self, path: str, op: Primitive, inputs: tuple[int, ...], times: int) -> int:
        features = [self.frame.features[number] for number in inputs]
        output = self.frame.add_value(op.infer(*features))
        cost = cost_of(op, features, self.frame.features[output], times)
        self.frame.steps.append(Node(path, op, inputs, output, cost, times=times))
        return output

    def _call(self, call: Call) -> None:
        """Lets the repetitions in which there are maps give them; a map's stream is called as its mixer's path."""
        frames, gives = [], dict(call.gives)
        for path, frame in call.paths():
            below = joined(self._prefix, path)
            if not any(each.startswith(f"{below}.") for each in self._paths):
                frames.append(frame)
                continue
            opened = _Opened(frame, below, self._paths)
            frames.append(opened.frame)
            self.repetitions += [*([below] if call.numbered else []), *opened.repetitions]
            self.attends += opened.attends
            for name, number in opened.maps.items():
                opened.frame.outputs[name] = number
                self.maps[name] = gives[name] = self.frame.add_value(opened.frame.features[number])
        self.frame.steps.append(call._replace(frames=tuple(frames), gives=gives))
