"""Exact costs of a graph: in all, by stage, and by node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vitdsl.features import Cost, Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame


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


def modules_of(frame: Frame) -> int:
    """How many modules a frame's becomes, itself one of them; repetitions count each, and are looked at once."""
    return _modules(frame, {})


def too_many_modules(graph: Graph, most: int) -> tuple[str, tuple[str | int, ...]] | None:
    """What to say of a model of more modules, and the location of the stage that has most of them; else None."""
    counts = [modules_of(step.frames[0]) for step in graph.frame.steps if isinstance(step, Call)]
    found = sum(counts)
    if found <= most:
        return None
    index = counts.index(max(counts))
    where = ("head",) if index + 1 == len(counts) else ("stages", index)
    return f"this model has {found:,} modules, but at most {most:,} are allowed; most of them are here", where


def _modules(frame: Frame, known: dict[int, int]) -> int:
    found = known.get(id(frame))
    if found is None:
        paths: set[str] = set()
        found = 1
        for step in frame.steps:
            path = step.path
            if isinstance(step, Call):
                found += sum(_modules(inner, known) - (not step.numbered) for inner in step.frames)
            while path and path not in paths:
                paths.add(path)
                path = path.rpartition(".")[0]
        found = known[id(frame)] = found + len(paths)
    return found
