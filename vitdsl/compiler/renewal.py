"""Keeps the state of a model when it is rebuilt: from a pickle, or with another classifier."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from vitdsl.compiler.checkpointing import checkpointed, is_checkpointed
from vitdsl.compiler.containers import Body
from vitdsl.compiler.forwards import OUTPUTS
from vitdsl.compiler.module import is_repetition
from vitdsl.compiler.tree import has_module
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import joined


class Modes(NamedTuple):
    """The settings of a model besides its weights.

    Attributes:
        evaluating: paths of the modules in evaluation mode.
        frozen: paths of the parameters without gradient.
        checkpointed: paths of the blocks with gradient checkpointing.
    """

    evaluating: list[str]
    frozen: list[str]
    checkpointed: list[str]


def modes_of(model: nn.Module) -> Modes:
    """The settings of a model."""
    modules = dict(model.named_modules())
    return Modes(
        [path for path, module in modules.items() if not module.training],
        [path for path, parameter in model.named_parameters() if not parameter.requires_grad],
        [path for path, module in modules.items() if is_checkpointed(module)],
    )


def set_modes(model: nn.Module, modes: Modes) -> None:
    """Applies the settings of another model of the same spec."""
    evaluating = set(modes.evaluating)
    for path, module in model.named_modules():
        module.training = path not in evaluating
    for path in modes.frozen:
        model.get_parameter(path).requires_grad_(False)
    restore_checkpointing(model, modes)


def unsaved_buffers(model: nn.Module) -> dict[str, Tensor]:
    """The non-persistent buffers by name: masks, and buffers of parts of other packages."""
    saved = model.state_dict().keys()
    return {name: buffer for name, buffer in model.named_buffers() if name not in saved}


def put_buffers(model: nn.Module, buffers: Mapping[str, Tensor]) -> None:
    """Sets buffers of a model by name; names that it does not have are ignored."""
    modules = dict(model.named_modules())
    for name, buffer in buffers.items():
        path, _, last = name.rpartition(".")
        if path in modules and last in modules[path]._buffers:
            modules[path]._buffers[last] = buffer


def restore_checkpointing(model: nn.Module, modes: Modes) -> None:
    """Turns gradient checkpointing on for the same blocks, if they still exist."""
    for path, module in model.named_modules():
        if path in modes.checkpointed and is_repetition(module):
            checkpointed(module, True)


def renew(model: nn.Module, made: nn.Module, changed: Collection[str]) -> None:
    """Changes a model in place into another one. Unchanged layers, and modules that a caller put in, stay as objects.

    Args:
        model: the model to change.
        made: a model of the new graph, which is taken apart.
        changed: module paths of layers that are new, removed or different.
    """
    _renew(model, made, "", set(changed))


def changed_layers(old: Graph, new: Graph) -> set[str]:
    """Module paths of the layers that differ between two graphs."""
    before, after = _layers(old), _layers(new)
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def _layers(graph: Graph) -> dict[str, Any]:
    """The operator and input features of each layer, by module path."""
    made: dict[str, Any] = {
        path: (node.op, [frame.features[number] for number in node.inputs])
        for path, node, frame in graph.frame.nodes()
        if has_module(node)
    }
    return {**made, OUTPUTS: (graph.evaluation, graph.training)}


def _renew(old: nn.Module, made: nn.Module, path: str, changed: set[str]) -> nn.Module:
    """The module for a path: the old one, unless it is a changed layer."""
    kept = made if path in changed else old
    if isinstance(old, Body) and isinstance(made, Body):
        if getattr(type(old), "recomputed", type(old)) is not type(made):
            old.__class__ = type(made)
        vars(old).update({name: value for name, value in vars(made).items() if name in type(made)._kept})
    elif kept is old and type(old) is not type(made):
        return old  # a caller put it in
    new = dict(made._modules)
    for name in [name for name in kept._modules if name not in new]:
        below = joined(path, name)
        if any(each == below or each.startswith(f"{below}.") for each in changed):
            delattr(kept, name)
    for name, child in new.items():
        there = old._modules.get(name)
        if child is not None:
            kept.add_module(name, child if there is None else _renew(there, child, joined(path, name), changed))
    kept._modules.update({name: kept._modules.pop(name) for name in new if name in kept._modules})  # restores the order
    return kept
