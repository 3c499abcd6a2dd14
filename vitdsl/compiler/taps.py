"""A graph in which the values between blocks can be seen from outside: each goes through a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from vitdsl.compiler.fold import folded_graph
from vitdsl.compiler.model import VisionModel, compile_graph
from vitdsl.features import Feature
from vitdsl.graph.frames import Call, Frame, Graph, Node, joined
from vitdsl.graph.operators import Join
from vitdsl.parts.base import Primitive

if TYPE_CHECKING:
    from torch import nn


class Tap(Primitive):
    """Gives what it takes, as tokens (B, N, C) outside of every window."""

    family: ClassVar[str] = "internal"
    mixes: ClassVar[bool] = True  # only what mixes is given windows that are closed
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    type: Literal["tap"] = "tap"

    def infer(self, *inputs: Feature) -> Feature:
        """Unchanged."""
        return inputs[0]

    def build(self, *inputs: Feature) -> nn.Module:
        """A module that does nothing."""
        from torch import nn

        return nn.Identity()


TAP = Tap()


class Seen(NamedTuple):
    """A value between blocks: the path of its module, what it is, and whether a block ends with it."""

    path: str
    feature: Feature
    end: bool


def with_taps(model: VisionModel) -> tuple[VisionModel, list[list[Seen]]]:
    """A model that computes the same with copies of the weights, and its taps as `tapped` gives them.

    Args:
        model: what `build` or `fold` gave.
    """
    spec, graph = model.spec, model.spec.graph(model.image_size)
    taken, chains = tapped(folded_graph(graph) if model.folded else graph)
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    made = compile_graph(taken, spec, spec.model.drop_path, {}, "meta", model.training_outputs)
    made.to_empty(device=next(iter(state.values())).device)
    made.load_state_dict(state, assign=True)
    made.folded = model.folded
    return made.train(model.training), chains


def tapped(graph: Graph) -> tuple[Graph, list[list[Seen]]]:
    """A graph that computes the same with the same weights, and its taps by stage, in order.

    The first of a stage is what its blocks begin with, each other one is where a block ends. Stages without blocks
    are left out.

    Args:
        graph: of a model.
    """
    frame = _copy(graph.frame)
    chains: list[list[Seen]] = []
    for number, step in enumerate(frame.steps):
        if isinstance(step, Call) and step.path != "head":
            stage = _Stage(step.frames[0], step.path)
            frame.steps[number] = step._replace(frames=(stage.made,))
            if any(seen.end for seen in stage.seen):
                chains.append(stage.seen)
    return graph._replace(frame=frame), chains


def _copy(frame: Frame) -> Frame:
    made = Frame()
    for name in Frame.__slots__:
        value = getattr(frame, name)
        setattr(made, name, value.copy() if isinstance(value, (list, dict, set)) else value)
    return made


class _Stage:
    """Rewrites the frame of a stage: repetitions become calls of their own, and taps stand between them.

    Attributes:
        made: the new frame.
        seen: its taps, in order.
        now: the number that each value of the old frame has in the new one.
    """

    def __init__(self, frame: Frame, path: str) -> None:
        self.made, self.path = _copy(frame), path
        self.made.steps = []
        self.seen: list[Seen] = []
        self.now = {number: number for number in range(len(frame.features))}
        self.start, self.ends = frame.start, {number for number in frame.ends if number != frame.start}
        for number in frame.inputs.values():
            self._tap_old(number)
        for step in frame.steps:
            if isinstance(step, Node):
                self.made.steps.append(step._replace(inputs=tuple(self.now[number] for number in step.inputs)))
                self._tap_old(step.output)
            else:
                self._call(step)
        self.made.outputs = {name: self.now[number] for name, number in frame.outputs.items()}
        self.made.appends = {name: [self.now[n] for n in numbers] for name, numbers in frame.appends.items()}
        self.made.marks = {name: self.now[number] for name, number in frame.marks.items()}

    def _value(self, feature: Feature) -> int:
        self.made.features.append(feature)
        return len(self.made.features) - 1

    def _tap_old(self, number: int) -> None:
        """Taps a value of the old frame, where blocks begin or end with it."""
        if number == self.start or number in self.ends:
            self.now[number] = self._tap(self.now[number], number != self.start)

    def _tap(self, number: int, end: bool) -> int:
        """Taps a value and gives what comes out."""
        feature = self.made.features[number]
        output, path = self._value(feature), f"taps.{len(self.seen)}"
        self.made.steps.append(Node(path, TAP, (number,), output, TAP.cost(feature)))
        self.seen.append(Seen(joined(self.path, path), feature, end))
        return output

    def _call(self, step: Call) -> None:
        if step.flows is None:
            reads = {name: self.now[number] for name, number in step.reads.items()}
            self.made.steps.append(step._replace(reads=reads))
        else:
            self._apart(step, step.flows)
        for number in (*step.gives.values(), *step.appends.values()):
            self._tap_old(number)

    def _apart(self, step: Call, flows: str) -> None:
        """Every repetition a call of its own, and a tap behind each."""
        state = {name: self.now[number] for name, number in step.reads.items()}
        appended: dict[str, list[int]] = {name: [] for name in step.appends}
        block = step.block
        for path, frame in step.paths():
            gives = {name: self._value(frame.features[number]) for name, number in frame.outputs.items()}
            appends = {name: self._value(_together(frame, numbers)) for name, numbers in frame.appends.items()}
            reads = {name: state[name] for name in frame.inputs}
            self.made.steps.append(Call(path, (frame,), False, reads, gives, appends, block))
            block += frame.blocks if block >= 0 else 0
            state.update(gives)
            if flows in gives:
                state[flows] = self._tap(gives[flows], True)
            for name, number in appends.items():
                appended[name].append(number)
        for name, number in step.gives.items():
            self.now[number] = state[name]
        for name, numbers in appended.items():
            self.made.steps.append(Node("", Join(), tuple(numbers), step.appends[name], Join().cost()))


def _together(frame: Frame, numbers: list[int]) -> Feature:
    features = [frame.features[number] for number in numbers]
    return Feature(features[0].dim, count=sum(feature.num_tokens for feature in features))
