"""Images of another size than a model was built for: which it takes as it is, and how it is made a model for them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from vitdsl.compiler.containers import Body
from vitdsl.compiler.likeness import INTERNAL, Made, difference, entering, layer_of, same_layer
from vitdsl.compiler.renewal import modes_of, renew, restore_checkpointing
from vitdsl.compiler.tracing import keep_layers_whole
from vitdsl.compiler.tree import has_module
from vitdsl.errors import ImageError, SpecError
from vitdsl.graph.graph import Graph
from vitdsl.graph.operators import LearnedTokens, OpenWindows
from vitdsl.layers.lengths import is_tracing, known_equal, length_of
from vitdsl.layers.tables import GridLayer, Table
from vitdsl.parts.primitives.drop_path import DropPath
from vitdsl.syntax.summary import facts

if TYPE_CHECKING:
    from vitdsl.compiler.backbone import Backbone

Size = tuple[int, int]
OF_THE_GRID = frozenset({"height", "width"})
"""Names of late values that another size of image may change."""


class Sized(Body):
    """A model that knows for which images it is right.

    Attributes:
        image_size: (height, width) that its tables were made for.
        refusals: by another size, why it cannot take it; empty where it can.
    """

    spec: Any
    lowered: Graph
    training_outputs: bool
    image_size: Size
    refusals: dict[Size | None, str]

    def forward(self, image: Any) -> Any:
        """Returns what the model makes of a batch of images (B, C, H, W)."""
        self.enter(image)
        return super().forward(image)

    def enter(self, image: Any) -> None:
        """Refuses images that this model was not built for, unless one that was built for them is the same.

        A proxy of torch.fx has no size, and passes.

        Raises:
            ImageError: no batch of images, other channels, or another size.
        """
        if isinstance(image, Proxy):
            keep_layers_whole(image, self)
        if not isinstance(image, Tensor):
            return
        channels = self.lowered.frame.features[0].dim
        if image.ndim != 4 or not known_equal(image.shape[1], channels):
            wanted = f"(B, {channels}, {self.image_size[0]}, {self.image_size[1]})"
            raise ImageError(f"this model takes images of shape {wanted}, but was fed {tuple(image.shape)}")
        height, width = image.shape[2:]
        if known_equal(height, self.image_size[0]) and known_equal(width, self.image_size[1]):
            return
        if torch.compiler.is_compiling() and self.takes_any():
            return  # sizes may be symbols, which stay free
        if is_tracing():
            height, width = (length_of(length) for length in (height, width))
        self.accept(operator.index(height), operator.index(width))

    @torch.compiler.assume_constant_result
    def accept(self, height: int, width: int) -> None:
        """Refuses images of this size, unless a model that was built for them is the same.

        Raises:
            ImageError: with both sizes.
        """
        size = (height, width)
        if size not in self.refusals:
            self.refusals[size] = refusal(self, size)
        if self.refusals[size]:
            raise ImageError(self.refusals[size])

    @torch.compiler.assume_constant_result
    def takes_any(self) -> bool:
        """Whether it is the same model for every size of image that its patches tile."""
        if None not in self.refusals:
            self.refusals[None] = "" if is_free(self) else "no"
        return not self.refusals[None]


def refusal(model: Any, size: Size) -> str:
    """Why a model cannot take images of a size, or nothing."""
    built, fed = (f"{height}x{width}" for height, width in (model.image_size, size))
    start = f"this model was built for images of {built}, and was fed one of {fed}"
    try:
        graph = model.spec.graph(size)
    except SpecError as error:
        (problem, *_) = error.problems
        hint = f" ({problem.hint})" if problem.hint else ""
        return f"{start}, for which its spec cannot be built: {problem.path}: {problem.message}{hint}"
    path = difference(model.spec.graph(model.image_size), graph, model.training_outputs)
    if path is None:
        return ""
    where = f"`{path}` would be another" if path else "its forward would be another"
    call = f"`model.set_input_size({size[0]}, {size[1]})` makes it a model for that size"
    return f"{start}, for which {where}: {call}, `vitdsl.build(spec, size={size})` builds one"


def is_free(model: Any) -> bool:
    """Whether nothing in a model depends on the size of its image but what its patches must tile.

    So it is where it has no windows, no late value names a side of a grid, and it is the same for one size that makes
    every grid another.
    """
    graph: Graph = model.spec.graph(model.image_size)
    windowed = any(isinstance(node.op, OpenWindows) or _windows(node.op) for _, node, _ in graph.frame.nodes())
    if windowed or not facts(model.spec.tree).names.isdisjoint(OF_THE_GRID):
        return False
    height, width = model.image_size
    try:
        other = model.spec.graph((2 * height, 3 * width))
    except SpecError:
        return False
    return difference(graph, other, model.training_outputs) is None


def _windows(op: Any) -> bool:
    return getattr(op, "windows", None) is not None


# ---------------------------------------------------------------- making it a model for another size


def set_size(model: Backbone, size: Size) -> None:
    """Makes a model one for images of another size; see `Backbone.set_input_size`."""
    from vitdsl.compiler.build import built_as

    made = built_as(model.spec, {**model.options, "size": size}, model.folded)
    old, new = _layers(model.lowered), _layers(made.lowered)
    gone = {path for path in old if path not in new}
    added = {path: layer_of(new[path]) for path in new if path not in old}
    other = {
        path: layer_of(new[path]) for path in new if path in old and not same_layer(old[path], new[path], fed=False)
    }
    replaced = {path: model.get_submodule(path) for path in other}
    other = {path: layer for path, layer in other.items() if type(replaced[path]) is type(layer)}
    _refuse_without_rule(model, size, gone, added, [(path, replaced[path], layer) for path, layer in other.items()])
    modes = modes_of(model)
    for path, layer in other.items():
        take_over(replaced[path], layer)
    like = next(model.parameters(), None)
    for path, layer in added.items():
        layer.train(model.training)
        above, _, name = path.rpartition(".")
        made.get_submodule(above)._modules[name] = layer if like is None else layer.to(like.device, like.dtype)
    renew(model, made, gone | added.keys())
    restore_checkpointing(model, modes)
    model.lowered, model.written, model.image_size = made.lowered, made.written, made.image_size
    model.forwards, model.refusals = {}, {}


def _layers(graph: Graph) -> dict[str, Made]:
    """By module path, what each layer is made of."""
    return {
        path: entering(frame, node)
        for path, node, frame in graph.frame.nodes()
        if has_module(node) and not isinstance(node.op, (LearnedTokens, DropPath))
    }


def _refuse_without_rule(
    model: Backbone, size: Size, gone: set[str], added: dict[str, nn.Module], other: list[tuple[str, Any, Any]]
) -> None:
    """Refuses where weights would be another size, and no rule resizes them; the model is as it was."""
    found = [path for path in gone if any(True for _ in model.get_submodule(path).parameters(recurse=False))]
    found += [path for path, layer in added.items() if layer.state_dict()]
    for path, before, after in other:
        ruled = tables_of(after)
        shapes = after.state_dict()
        mine = {name: tensor for name, tensor in before.state_dict().items() if name in shapes}
        found += [
            f"{path}.{name}"
            for name, tensor in mine.items()
            if tensor.shape != shapes[name].shape and name not in ruled
        ]
    if found:
        (height, width), more = size, f" and {len(found) - 1} more" if len(found) > 1 else ""
        built = f"{model.image_size[0]}x{model.image_size[1]}"
        raise ImageError(
            f"this model of images of {built} cannot become one of {height}x{width}: no rule resizes the weights "
            f"of `{found[0]}`{more}; `vitdsl.build(spec, size={size})` builds one with new weights"
        )


def tables_of(layer: nn.Module) -> dict[str, Table]:
    """The tensors of a layer that have a rule."""
    return layer.tables() if isinstance(layer, GridLayer) else {}


def take_over(layer: nn.Module, made: nn.Module) -> None:
    """Makes a layer what another of its class is, with its own weights: hooks, modes and what is frozen stay.

    Args:
        layer: what is changed.
        made: for the other size.
    """
    like = next((tensor for tensor in (*layer.parameters(), *layer.buffers()) if tensor.is_floating_point()), None)
    made = made.to(next(layer.buffers(), torch.empty(0)).device) if like is None else made.to(like.device, like.dtype)
    before, after = tables_of(layer), tables_of(made)
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
            layer._buffers[name] = made._buffers[name]
    vars(layer).update({name: value for name, value in vars(made).items() if name not in INTERNAL})
