"""A model becomes one for images of another size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vitdsl.compiler.base import CompiledModel, Size
from vitdsl.compiler.likeness import INTERNAL, Ingredients, build_layer, ingredients, same_layer
from vitdsl.compiler.renewal import modes_of, renew, restore_checkpointing
from vitdsl.compiler.tree import has_module
from vitdsl.errors import ImageError
from vitdsl.graph.graph import Graph
from vitdsl.graph.operators import LearnedTokens
from vitdsl.layers.tables import GridLayer, Table
from vitdsl.parts.primitives.drop_path import DropPath


def resize(model: CompiledModel, size: Size) -> None:
    """Makes a model one for images of another size; see `VisionModel.set_input_size`."""
    other = model.builder(model.spec, {**model.options, "size": size}, model.folded)
    old, new = _layers(model.lowered), _layers(other.lowered)
    gone = {path for path in old if path not in new}
    added = {path: build_layer(new[path]) for path in new if path not in old}
    changed = [path for path in new if path in old and not same_layer(old[path], new[path], fed=False)]
    pairs = [(path, model.get_submodule(path), build_layer(new[path])) for path in changed]
    pairs = [(path, before, after) for path, before, after in pairs if type(before) is type(after)]
    _refuse_without_rule(model, size, gone, added, pairs)
    modes = modes_of(model)
    for _, before, after in pairs:
        take_over(before, after)
    like = next(model.parameters(), None)
    for path, layer in added.items():
        layer.train(model.training)
        above, _, name = path.rpartition(".")
        other.get_submodule(above)._modules[name] = layer if like is None else layer.to(like.device, like.dtype)
    renew(model, other, gone | added.keys())
    restore_checkpointing(model, modes)
    model.set_source(model.spec, other.lowered, other.written)


def _layers(graph: Graph) -> dict[str, Ingredients]:
    """By module path, what each layer is made of."""
    return {
        path: ingredients(frame, node)
        for path, node, frame in graph.frame.nodes()
        if has_module(node) and not isinstance(node.op, (LearnedTokens, DropPath))
    }


def _refuse_without_rule(
    model: CompiledModel, size: Size, gone: set[str], added: dict[str, nn.Module], pairs: list[tuple[str, Any, Any]]
) -> None:
    """Refuses if weights would have another size and no rule resizes them. The model is as it was."""
    found = [path for path in gone if any(True for _ in model.get_submodule(path).parameters(recurse=False))]
    found += [path for path, layer in added.items() if layer.state_dict()]
    for path, before, after in pairs:
        ruled = tables_of(after)
        shapes = after.state_dict()
        own = {name: tensor for name, tensor in before.state_dict().items() if name in shapes}
        found += [
            f"{path}.{name}" for name, tensor in own.items() if tensor.shape != shapes[name].shape and name not in ruled
        ]
    if found:
        (height, width), more = size, f" and {len(found) - 1} more" if len(found) > 1 else ""
        built = f"{model.image_size[0]}x{model.image_size[1]}"
        raise ImageError(
            f"this model of images of {built} cannot become one of {height}x{width}: no rule resizes the weights "
            f"of `{found[0]}`{more}; `vitdsl.build(spec, size={size})` builds one with new weights",
            code="E603",
        )


def tables_of(layer: nn.Module) -> dict[str, Table]:
    """The tensors of a layer that have a rule."""
    return layer.tables() if isinstance(layer, GridLayer) else {}


def take_over(layer: nn.Module, other: nn.Module) -> None:
    """Makes a layer what another of its class is. Its weights, hooks and modes stay, and so does what is frozen.

    Args:
        layer: what is changed.
        other: for the other size.
    """
    like = next((tensor for tensor in (*layer.parameters(), *layer.buffers()) if tensor.is_floating_point()), None)
    if like is None:
        other = other.to(next(layer.buffers(), torch.empty(0)).device)
    else:
        other = other.to(like.device, like.dtype)
    before, after = tables_of(layer), tables_of(other)
    weights: dict[str, Tensor] = {}
    for name, tensor in {**layer._parameters, **layer._buffers}.items():
        if tensor is not None and name in before and name in after:
            with torch.no_grad():
                weights[name] = after[name].resize(tensor.detach(), before[name].grid, after[name].grid)
    for name, parameter in layer._parameters.items():
        if parameter is not None and name in weights and before[name].grid != after[name].grid:
            layer._parameters[name] = nn.Parameter(weights[name], parameter.requires_grad)
    for name in layer._buffers:
        if name in weights:
            layer._buffers[name] = weights[name]
        elif name in layer._non_persistent_buffers_set:
            layer._buffers[name] = other._buffers[name]
    vars(layer).update({name: value for name, value in vars(other).items() if name not in INTERNAL})
