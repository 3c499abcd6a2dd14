"""Exact costs of a graph: in all, by stage, and by node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vitdsl.features import Cost, Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call


class NodeCost(NamedTuple):
    """One node: its module path, type, what comes out, and what it costs."""

    path: str
    type: str
    output: Feature
    cost: Cost


class StageCost(NamedTuple):
    """One stage, or the head: its path, its repeated bodies, what comes out, and what it costs."""

    path: str
    blocks: int
    outputs: dict[str, Feature]
    cost: Cost


class Analysis:
    """What a graph costs for one image; computed when asked for, without torch."""

    __slots__ = ("cost", "graph")

    def __init__(self, graph: Graph) -> None:
        self.graph, self.cost = graph, graph.frame.cost

    @property
    def params(self) -> int:
        """Parameters, and the fixed tables that checkpoints hold."""
        return self.cost.params

    @property
    def trainable_params(self) -> int:
        """Parameters that train."""
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
        """Module paths of the operators with parameters that no returned output reads."""
        from vitdsl.graph.liveness import unreached

        return unreached(self.graph)

    @property
    def stages(self) -> list[StageCost]:
        """The stages and the head, in order."""
        found = []
        for step in self.graph.frame.steps:
            if isinstance(step, Call):
                (frame,) = step.frames
                blocks = sum(len(inner.frames) for inner in frame.steps if isinstance(inner, Call))
                outputs = {name: frame.features[number] for name, number in frame.outputs.items()}
                found.append(StageCost(step.path, blocks, outputs, frame.cost))
        return found

    def nodes(self) -> Iterator[NodeCost]:
        """Every node, each repetition apart."""
        for path, node, frame in self.graph.frame.nodes():
            yield NodeCost(path, node.op.type, frame.features[node.output], node.cost)


def too_many_modules(graph: Graph, most: int) -> tuple[str, tuple[str | int, ...]] | None:
    """What to say of a model of more modules, and the location of the stage that has most of them; else None."""
    counts = [step.frames[0].modules for step in graph.frame.steps if isinstance(step, Call)]
    found = sum(counts)
    if found <= most:
        return None
    index = counts.index(max(counts))
    where = ("head",) if index + 1 == len(counts) else ("stages", index)
    return f"this model has {found:,} modules, but at most {most:,} are allowed; most of them are here", where
