"""A graph with taps: each value between blocks goes through a module of its own, where it can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import HEAD, Call, Frame, Node, cost_of, joined
from vitdsl.graph.views.blocks import UnrolledFrame, copy_frame
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


class TapPoint(NamedTuple):
    """A value between blocks.

    Attributes:
        path: module path of its tap.
        feature: what the value is.
        ends_block: whether a block ends with it; else blocks begin with it.
    """

    path: str
    feature: Feature
    ends_block: bool


def add_taps(graph: Graph) -> tuple[Graph, list[list[TapPoint]]]:
    """A graph that computes the same with the same weights, and its taps by stage, in order.

    The first of a stage is what its blocks begin with, each other one is where a block ends. Stages without blocks
    are left out.

    Args:
        graph: of a model.
    """
    frame = copy_frame(graph.frame)
    chains: list[list[TapPoint]] = []
    for number, step in enumerate(frame.steps):
        if isinstance(step, Call) and step.path != HEAD:
            stage = _TappedStage(step.frames[0], step.path)
            frame.steps[number] = step._replace(frames=(stage.frame,))
            if any(point.ends_block for point in stage.points):
                chains.append(stage.points)
    frame.recount()
    return graph._replace(frame=frame), chains


class _TappedStage(UnrolledFrame):
    """A stage with a tap at each end of a block of its chain.

    Args:
        stage: its frame.
        path: of its module.

    Attributes:
        points: its taps, in order.
    """

    def __init__(self, stage: Frame, path: str) -> None:
        self._path = path
        self.points: list[TapPoint] = []
        super().__init__(stage)
        self.frame.recount()

    def visit(self, number: int, block: str | None) -> int:
        """Lets a value go through a tap, and returns the number of the tap's output."""
        feature = self.frame.features[number]
        output, path = self.frame.add_value(feature), f"taps.{len(self.points)}"
        self.frame.steps.append(Node(path, TAP, (number,), output, cost_of(TAP, [feature], feature)))
        self.points.append(TapPoint(joined(self._path, path), feature, block is not None))
        return output
