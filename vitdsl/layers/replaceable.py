"""Calls of layers that a caller may have replaced or wrapped.

Libraries replace `nn.Linear`, `nn.Conv2d` and batch norms in a model: `convert_sync_batchnorm`, adapters such as LoRA.
What they put there knows the layouts of torch's own classes, and need not have the children of the layer that it
replaces. Generated code calls layers through these functions where that matters.

Shapes: b batch, n tokens, c channels, h rows and w columns of a map.
"""

from typing import Any

from torch import Tensor, nn

from .linear import Linear
from .norms import BatchNorm, GroupNorm


def map_channels(layer: nn.Module, x_bchw: Tensor) -> Tensor:
    """Apply a linear layer to a map; a layer that is not ours gets tokens, (b, n, c)."""
    if type(layer) is Linear:
        return layer(x_bchw)
    return layer(x_bchw.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, x_bchw.shape[2:])


def norm_tokens(layer: nn.Module, x_bnc: Tensor) -> Tensor:
    """Apply a batch or group norm to tokens; a layer that is not ours gets a map of one column, (b, c, n, 1)."""
    if type(layer) in (BatchNorm, GroupNorm):
        return layer(x_bnc)
    return layer(x_bnc.transpose(1, 2).unsqueeze(3)).squeeze(3).transpose(1, 2)


def child_of(layer: nn.Module, path: str) -> nn.Module:
    """The module at a path below a layer, such as the norm of a convolution; also where the layer was wrapped.

    Raises:
        AttributeError: neither the layer nor what it wraps has such a child.
    """
    name, _, rest = path.partition(".")
    child: Any = layer._modules.get(name)
    if child is None:
        owner = next((each for each in layer.modules() if name in each._modules), None)
        if owner is None:
            raise AttributeError(
                f"{type(layer).__name__} was put in the place of a layer that has the module `{name}` below it: keep"
                f" the layer that it replaces as a child, or give it a module `{name}`"
            )
        child = owner._modules[name]
    return child_of(child, rest) if rest else child


def call_child(layer: nn.Module, path: str, *inputs: Any, **extras: Any) -> Any:
    """Call the module at a path below a layer."""
    return child_of(layer, path)(*inputs, **extras)
