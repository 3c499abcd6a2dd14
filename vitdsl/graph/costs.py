"""Exact costs of a graph: in total, by stage, and by node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vitdsl.features import Cost, Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call
from vitdsl.graph.summary import summary_of


class NodeCost(NamedTuple):
    """One node: its module path, its type, the feature of its result, and its cost."""

    path: str
    type: str
    output: Feature
    cost: Cost


class StageCost(NamedTuple):
    """One stage, or the head: its path, its number of repetitions, its results by stream, and its cost."""

    path: str
    blocks: int
    outputs: dict[str, Feature]
    cost: Cost


class Analysis:
    """The cost of a graph for one image; printed, a table by stage. It needs no torch."""

    __slots__ = ("cost", "graph")

    def __init__(self, graph: Graph) -> None:
        self.graph, self.cost = graph, graph.frame.cost

    def __str__(self) -> str:
        """A row for each stage: grid, width, blocks, parameters, multiply-adds, bytes of activations; and the total."""
        return summary_of(self)

    __repr__ = __str__

    @property
    def params(self) -> int:
        """Parameters, and the fixed tables that checkpoints hold."""
        return self.cost.params

    @property
    def trainable_params(self) -> int:
        """Trainable parameters."""
        return self.cost.trainable_params

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions and matrix products."""
        return self.cost.macs

    @property
    def activation_bytes(self) -> int:
        """Bytes of all operators' outputs, in float32."""
        return self.cost.activation_bytes

    @property
    def unreached(self) -> tuple[str, ...]:
        """Module paths of operators with parameters whose results no returned output depends on."""
        from vitdsl.graph.liveness import unreached

        return unreached(self.graph)

    @property
    def stages(self) -> list[StageCost]:
        """The cost of each stage, and of the head, in order."""
        found = []
        for step in self.graph.frame.steps:
            if isinstance(step, Call):
                (frame,) = step.frames
                blocks = sum(len(inner.frames) for inner in frame.steps if isinstance(inner, Call))
                outputs = {name: frame.features[number] for name, number in frame.outputs.items()}
                found.append(StageCost(step.path, blocks, outputs, frame.cost))
        return found

    def nodes(self) -> Iterator[NodeCost]:
        """The cost of every node of every repetition."""
        for path, node, frame in self.graph.frame.nodes():
            yield NodeCost(path, node.op.type, frame.features[node.output], node.cost)


def too_many_modules(graph: Graph, most: int) -> tuple[str, tuple[str | int, ...]] | None:
    """The message for a model with more than `most` modules, and the path of its largest stage; else None."""
    counts = [step.frames[0].modules for step in graph.frame.steps if isinstance(step, Call)]
    found = sum(counts)
    if found <= most:
        return None
    index = counts.index(max(counts))
    where = ("head",) if index + 1 == len(counts) else ("stages", index)
    return f"this model has {found:,} modules, but at most {most:,} are allowed; most of them are here", where
