"""The maps of a pyramid: which there are, which are asked for, and the graph that gives them and has no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vitdsl.errors import InputError, Problem, did_you_mean
from vitdsl.graph.graph import Graph
from vitdsl.graph.image_grids import on_image
from vitdsl.graph.ir import Call, Frame, Node, cost_of
from vitdsl.graph.liveness import Tokens, all_of, union, wanted
from vitdsl.graph.operators import Put
from vitdsl.graph.views.blocks import BlockMap, copy_frame, open_blocks

Live = dict[int, Tokens]
"""The tokens that something depends on of each value that is an operand of something, by its number."""


Features = int | str | Sequence[int | str]
"""Which maps: numbers of `levels`, negative ones from the end, or module paths of blocks; an int: the last so many."""


def image_maps(graph: Graph) -> list[BlockMap]:
    """The maps that the blocks of a model end with, in order, but for attention maps, which are none of the image."""
    opened, maps = open_blocks(graph)
    there = on_image(opened.frame)
    return [each for each in maps if each.grid in there]


def levels(maps: Sequence[BlockMap]) -> list[BlockMap]:
    """All maps of a model with a single grid; else the last of each grid."""
    grids = dict.fromkeys(each.feature.grid for each in maps)
    if len(grids) < 2:
        return [*maps]
    return [[each for each in maps if each.feature.grid == grid][-1] for grid in grids]


def select(maps: Sequence[BlockMap], features: Features | None, name: str = "features") -> list[BlockMap]:
    """The maps that a caller asks for, in the order of the call.

    Args:
        maps: of `image_maps`.
        features: as a caller gives them; None: all of `levels`.
        name: what the caller calls them.

    Raises:
        InputError: there is no such map, or one is asked for twice.
    """
    all_levels, by_path = levels(maps), {each.path: each for each in maps}
    if features is None or isinstance(features, int):
        count = len(all_levels) if features is None else features
        if isinstance(features, bool) or not 0 < count <= len(all_levels):
            raise _refusal(name, features, all_levels)
        return all_levels[-count:]
    found = []
    for each in [features] if isinstance(features, str) else features:
        if isinstance(each, str) and each in by_path:
            found.append(by_path[each])
        elif isinstance(each, int) and not isinstance(each, bool) and -len(all_levels) <= each < len(all_levels):
            found.append(all_levels[each])
        else:
            raise _refusal(name, each, all_levels, did_you_mean(each, by_path) if isinstance(each, str) else "")
    if not found or len(set(found)) < len(found):
        raise _refusal(name, features, all_levels)
    return found


def _refusal(name: str, given: object, all_levels: Sequence[BlockMap], hint: str = "") -> InputError:
    """What to say of maps that there are not, or not so often."""
    count = len(all_levels)
    if not count:
        return InputError(
            Problem(f"`{name}` asks for maps, but no block of this model ends with one of the image", code="E605")
        )
    message = f"`{name}` must name maps of this model, each once, but has {given!r:.80}"
    listed = f"from {-count} to {count - 1}" if count > 1 else "0 or -1"
    rest = f"it has {count} of them ({listed}; `feature_info` lists them), or paths of blocks (`block_info`)"
    return InputError(Problem(message, hint=f"{hint}; {rest}" if hint else rest, code="E605"))


def pyramid(graph: Graph, paths: Sequence[str]) -> Graph:
    """The graph that gives the maps of some blocks.

    Requires: a graph, and paths of `open_blocks`. Ensures: the maps by the same modules, with the same rates of
    stochastic depth; whatever no map depends on is left out, but for stages and head, which may be empty. Modified: all
    frames of which something is left out.

    Args:
        graph: of a model.
        paths: of the blocks of some `image_maps`, in the order in which the maps are given.
    """
    opened, maps = open_blocks(graph, paths)
    grids = {each.path: each.grid for each in maps}
    numbers = {path: grids[path] for path in paths}
    live = {number: all_of(opened.frame.features[number]) for number in numbers.values()}
    pruned = _Pruned(opened.frame, live, {})
    outputs = {path: pruned.now(number) for path, number in numbers.items()}
    return Graph(pruned.frame, outputs, {}, None, None, graph.drop_path)


class _Pruned:
    """A frame without the steps that nothing needs.

    Args:
        frame: values keep their numbers.
        live: what is needed behind it; what its steps need is added.
        known: pruned frames by frame and what is needed of it.

    Attributes:
        frame: the new frame. What it reads is left out of its inputs where nothing needs it.
    """

    def __init__(self, frame: Frame, live: Live, known: dict[Any, _Pruned]) -> None:
        self.old, self.frame, self.live, self._known = frame, copy_frame(frame), live, known
        self._same: dict[int, int] = {}
        needed = {*live}
        kept = [made for step in reversed(frame.steps) if (made := self._pruned(step)) is not None]
        self.frame.steps = [self._renumbered(step) for step in reversed(kept)]
        self._own_weights()
        self.frame.inputs = {name: number for name, number in frame.inputs.items() if number in live}
        outputs = {name: self.now(number) for name, number in frame.outputs.items() if number in needed}
        self.frame.outputs = {name: n for name, n in outputs.items() if frame.inputs.get(name) != n}
        self.frame.appends = {
            name: [self.now(number) for number in numbers]
            for name, numbers in frame.appends.items()
            if needed.issuperset(numbers)
        }
        there = {*self.frame.inputs.values(), *(number for step in self.frame.steps for number in _made(step))}
        for name in ("ends", "maps"):
            found: dict[int, str] = getattr(frame, name)
            setattr(self.frame, name, {number: path for number, path in found.items() if number in there})
        self.frame.marks = {name: number for name, number in frame.marks.items() if number in there}
        self.frame.start = frame.start if frame.start in there else None
        self.frame.recount()

    def now(self, number: int) -> int:
        """The number of the value that stands for one of the old frame."""
        while number in self._same:
            number = self._same[number]
        return number

    def _need(self, number: int, tokens: Tokens) -> None:
        self.live[number] = union(self.live.get(number, ()), tokens)

    def _pruned(self, step: Node | Call) -> Node | Call | None:
        """The step, or what is left of it; None: nothing needs it."""
        return self._node(step) if isinstance(step, Node) else self._call(step)

    def _node(self, node: Node) -> Node | None:
        if node.output not in self.live:
            return None
        out = self.live[node.output]
        tokens = wanted(self.old, node, out) if out else [()] * len(node.inputs)
        features = self.old.features
        if isinstance(node.op, Put) and not tokens[1] and features[node.inputs[0]] == features[node.output]:
            self._same[node.output] = node.inputs[0]  # nothing needs what was put in
            self._need(node.inputs[0], tokens[0])
            return None
        for number, each in zip(node.inputs, tokens, strict=True):
            self._need(number, each)
        return node

    # ------------------------------------------------------------ calls

    def _call(self, call: Call) -> Call | None:
        """A call with what is left of its repetitions; those of a stage or head stay, also where nothing is left."""
        state = {name: self.live[number] for name, number in call.gives.items() if number in self.live}
        appends = {name: number for name, number in call.appends.items() if number in self.live}
        frames: list[Frame] = []
        for inner in reversed(call.frames):
            pruned = self._inner(inner, state, appends)
            frames.insert(0, pruned.frame)
            for name in pruned.frame.outputs:
                state.pop(name, None)
            for name, number in inner.inputs.items():
                if number in pruned.live:
                    state[name] = union(state.get(name, ()), pruned.live[number])
        for name in state.keys() & call.reads.keys():
            self._need(call.reads[name], state[name])
        first, last = _span(frames) if call.numbered else (0, len(frames))
        given = {name for frame in frames[first:last] for name in frame.outputs}
        read = {name for frame in frames[first:last] for name in frame.inputs}
        for name, number in call.gives.items():
            if name not in given and number in self.live:
                self._same[number] = call.reads[name]
        if first == last:
            return None
        return call._replace(
            frames=tuple(frames[first:last]), first=call.first + first, appends=appends,
            reads={name: number for name, number in call.reads.items() if name in read},
            gives={name: number for name, number in call.gives.items() if name in given},
            block=call.block + sum(frame.blocks for frame in frames[:first]),
        )  # fmt: skip

    def _inner(self, inner: Frame, state: dict[str, Tokens], appends: dict[str, int]) -> _Pruned:
        """What is left of a frame, for the tokens of each stream that are needed behind it."""
        live: Live = {}
        for name, number in inner.outputs.items():
            if name in state:
                live[number] = union(live.get(number, ()), state[name])
        for name in appends:
            live.update({number: all_of(inner.features[number]) for number in inner.appends.get(name, ())})
        key = (id(inner), tuple(sorted(live.items())))
        if key not in self._known:
            self._known[key] = _Pruned(inner, live, self._known)
        return self._known[key]

    # ------------------------------------------------------------ what is left

    def _renumbered(self, step: Node | Call) -> Node | Call:
        if isinstance(step, Node):
            return step._replace(inputs=tuple(self.now(number) for number in step.inputs))
        return step._replace(reads={name: self.now(number) for name, number in step.reads.items()})

    def _own_weights(self) -> None:
        """Gives a node whose weights were those of an earlier one that is gone weights of its own."""
        paths: set[str] = set()
        for index, step in enumerate(self.frame.steps):
            if isinstance(step, Node) and step.shared and step.path not in paths:
                inputs = [self.frame.features[number] for number in step.inputs]
                cost = cost_of(step.op, inputs, self.frame.features[step.output], step.times)
                self.frame.steps[index] = step._replace(shared=False, cost=cost)
            paths.add(step.path)


def _span(frames: Sequence[Frame]) -> tuple[int, int]:
    """The first frame that does something, and the number behind the last."""
    busy = [index for index, frame in enumerate(frames) if frame.steps]
    return (busy[0], busy[-1] + 1) if busy else (0, 0)


def _made(step: Node | Call) -> list[int]:
    """The numbers of the values that a step makes."""
    return [step.output] if isinstance(step, Node) else [*step.gives.values(), *step.appends.values()]
