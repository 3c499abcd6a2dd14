"""A graph in which the values between blocks can be seen from outside: each goes through a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from vitdsl.compiler.model import VisionModel, compile_graph, make_model
from vitdsl.compiler.unrolled import Unrolled, copied
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import HEAD, Call, Node, cost_of, joined
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
    spec = model.spec
    taken, chains = tapped(model.lowered)
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    made = make_model(compile_graph(taken, spec.name, {}, model.training_outputs), spec, "meta")
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
    frame = copied(graph.frame)
    chains: list[list[Seen]] = []
    for number, step in enumerate(frame.steps):
        if isinstance(step, Call) and step.path != HEAD:
            stage = _Tapped(step.path)
            made = Unrolled(step.frames[0], stage.tap).made
            frame.steps[number] = step._replace(frames=(made,))
            if any(seen.end for seen in stage.seen):
                chains.append(stage.seen)
    frame.recount()
    return graph._replace(frame=frame), chains


class _Tapped:
    """The taps of one stage, in order."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.seen: list[Seen] = []

    def tap(self, stage: Unrolled, number: int, block: str | None) -> int:
        """Taps a value and gives what comes out."""
        feature = stage.made.features[number]
        output, path = stage.value(feature), f"taps.{len(self.seen)}"
        stage.made.steps.append(Node(path, TAP, (number,), output, cost_of(TAP, [feature], feature)))
        self.seen.append(Seen(joined(self.path, path), feature, block is not None))
        return output
