"""The tree of modules of a model before it is made: what makes each layer, and which bodies are repetitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vitdsl.compiler.forwards import OUTPUTS, outputs_of
from vitdsl.compiler.initialize import with_initial_values
from vitdsl.compiler.lower import WITHOUT_MODULE, Written
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, Node, joined
from vitdsl.graph.operators import LearnedTokens
from vitdsl.graph.schedule import drops
from vitdsl.layers.drop import DropPath as DropPathLayer
from vitdsl.layers.tokens import Tokens
from vitdsl.parts.base import Primitive
from vitdsl.parts.primitives.drop_path import DropPath


@dataclass
class Branch:
    """A module: a layer, a repetition, or a container.

    Attributes:
        children: the modules below it, by name.
        make: what makes the layer; None where it is none.
        written: the forward of a repetition, or of the model.
        chain: whether its layers are called in order, by calling it.
    """

    children: dict[str, Branch] = field(default_factory=dict)
    make: partial[Any] | None = None
    written: Written | None = None
    chain: bool = False

    def at(self, path: str) -> Branch:
        """The module at a path below, which is made a container where there is none."""
        branch = self
        for name in path.split(".") if path else ():
            branch = branch.children.setdefault(name, Branch())
        return branch

    def names(self, path: str) -> list[str]:
        """The names of the modules in a container, in the order in which they are registered: numbers first."""
        branch = self.at(path)
        found = branch.children if branch.make is None else {}
        return [*sorted((each for each in found if each.isdigit()), key=int), *(n for n in found if not n.isdigit())]

    def repetitions(self, path: str = "") -> Iterator[tuple[str, Branch]]:
        """Every repetition below, the innermost first."""
        for name, child in self.children.items():
            below = joined(path, name)
            yield from child.repetitions(below)
            if child.written is not None:
                yield below, child


def grow_tree(graph: Graph, written: Written, inits: Mapping[str, Any], training_outputs: bool) -> Branch:
    """The tree of a model.

    Args:
        graph: of the model.
        written: its forward.
        inits: initial values by family, as the spec says.
        training_outputs: whether training returns what the head says.
    """
    rates = {drop.path: drop.rate for drop in drops(graph.frame, graph.drop_path)}
    tree = Branch(written=written)
    _Grower(rates, inits).fill(tree, written, graph.frame, "", "")
    outputs = outputs_of(graph, training_outputs)
    if outputs is not None:
        tree.at(OUTPUTS).make = outputs
    return tree


class _Grower:
    """Grows the tree of a model.

    Args:
        rates: of stochastic depth, by module path.
        inits: initial values by family, as the spec says.
    """

    def __init__(self, rates: Mapping[str, float], inits: Mapping[str, Any]) -> None:
        self.rates, self.inits = rates, inits

    def fill(self, tree: Branch, written: Written, frame: Frame, root: str, prefix: str) -> None:
        """Puts the modules of a frame into a tree.

        Args:
            tree: of the repetition that the frame is in.
            written: the forward of that repetition.
            frame: whose modules.
            root: path of the tree in the model.
            prefix: path of the frame in the tree.
        """
        for step in frame.steps:
            if isinstance(step, Call):
                for path, inner in step.paths():
                    below = joined(prefix, path)
                    if step.numbered:
                        child = tree.at(below)
                        child.written = written.children[below]
                        self.fill(child, child.written, inner, joined(root, below), "")
                    else:
                        self.fill(tree, written, inner, root, below)
            elif has_module(step):
                path = joined(prefix, step.path)
                make = maker(frame, step, self.rates.get(joined(root, path), 0.0))
                tree.at(path).make = with_initial_values(make, step.op, self.inits)


def maker(frame: Frame, node: Node, rate: float) -> partial[Any]:
    """What makes the layer of a node."""
    if isinstance(node.op, LearnedTokens):
        return partial(Tokens, node.op.dim, *node.op.names, **({} if node.op.names else {"count": node.op.count}))
    if isinstance(node.op, DropPath):
        return partial(DropPathLayer, rate)
    features = [frame.features[number] for number in node.inputs]
    if type(node.op).layer is Primitive.layer:
        return partial(node.op.build, *features)  # a part of another package, which says no more
    return node.op.layer(*features)


def has_module(node: Node) -> bool:
    """Whether a layer was made for a node, at its path."""
    return isinstance(node.op, LearnedTokens) or (type(node.op) not in WITHOUT_MODULE and not node.shared)
