"""Modules for what was written: every node its layer, every repetition an instance of its body's class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn

from vitdsl.compiler.initialize import initialize, initialize_tokens
from vitdsl.compiler.special import WITHOUT_MODULE
from vitdsl.compiler.writing import Written
from vitdsl.graph.ir import Call, Frame, Node, joined
from vitdsl.graph.operators import LearnedTokens
from vitdsl.layers.drop import DropPath as DropPathLayer
from vitdsl.parts.primitives.drop_path import DropPath

OUTPUTS = "outputs"
"""The path of the layer that gives training and evaluation what is theirs."""


class Generated(nn.Module):
    """A module whose forward torch.fx wrote; `code` is its source, `graph` what it was written from.

    Attributes:
        written: what the forward takes and gives.
    """

    code: str = ""
    graph: fx.Graph
    written: Written

    @staticmethod
    def entered(forward: Callable[..., Any]) -> Callable[..., Any]:
        """The forward of the class, given what was generated."""
        return forward


class Builder:
    """Builds the modules of one model.

    Args:
        rates: of stochastic depth, by module path.
        inits: initial values by family, as the spec says.
    """

    def __init__(self, rates: Mapping[str, float], inits: Mapping[str, Any]) -> None:
        self.rates, self.inits = rates, inits

    def build(self, written: Written, frame: Frame, root: str, base: type[Generated] = Generated) -> Generated:
        """An instance of the body, at this path of the model: the first one makes the class that all share."""
        tree = nn.Module()
        self.fill(written, frame, tree, root, "")
        return self.instance(written, tree, base)

    @staticmethod
    def instance(written: Written, tree: nn.Module, base: type[Generated] = Generated) -> Generated:
        """The tree of modules with the generated forward."""
        if written.cls is None:
            module = fx.GraphModule(tree, written.code, class_name=written.name)
            members = {
                "forward": base.entered(type(module).forward),
                "graph": written.code,
                "code": module.code,
                "written": written,
                "__module__": __name__,
            }
            written.cls = type(written.name, (base,), members)
        made = written.cls()
        for name, child in tree.named_children():
            made.add_module(name, child)
        for name, parameter in tree.named_parameters(recurse=False):
            made.register_parameter(name, parameter)
        return made

    def fill(self, written: Written, frame: Frame, tree: nn.Module, root: str, prefix: str) -> None:
        """Puts the modules of a frame into a tree.

        Args:
            written: the frame, as it was written.
            frame: whose modules.
            tree: what they are put into.
            root: path of the tree in the model.
            prefix: path of the frame in the tree.
        """
        for step in frame.steps:
            if isinstance(step, Call):
                self._fill_call(written, step, tree, root, prefix)
            elif isinstance(step.op, LearnedTokens):
                place(tree, joined(prefix, step.path), initialize_tokens(step.op, self.inits))
            elif has_module(step):
                path = joined(prefix, step.path)
                place(tree, path, self._layer(frame, step, joined(root, path)))

    def _fill_call(self, written: Written, step: Call, tree: nn.Module, root: str, prefix: str) -> None:
        for path, inner in step.paths():
            full = joined(prefix, path)
            if step.numbered:
                child = written.children[full]
                place(tree, full, self.build(child, inner, joined(root, full)))
            else:
                self.fill(written, inner, tree, root, full)

    def _layer(self, frame: Frame, node: Node, path: str) -> nn.Module:
        if isinstance(node.op, DropPath):
            return DropPathLayer(self.rates[path])
        module = node.op.build(*(frame.features[number] for number in node.inputs))
        initialize(module, node.op, self.inits)
        return module


def has_module(node: Node) -> bool:
    """Whether a layer was made for a node, at its path."""
    return isinstance(node.op, LearnedTokens) or (type(node.op) not in WITHOUT_MODULE and not node.shared)


def place(tree: nn.Module, path: str, module: nn.Module) -> None:
    """Puts a module at its path; what stands below the path already becomes its child."""
    *above, last = path.split(".")
    for name in above:
        if name not in tree._modules:
            tree.add_module(name, nn.Module())
        tree = tree.get_submodule(name)
    before = tree._modules.get(last)
    if before is not None:
        for name, child in before.named_children():
            module.add_module(name, child)
    tree.add_module(last, module)


def on_device(device: str | torch.device) -> Any:
    """New tensors go to this device."""
    return torch.device(device)
