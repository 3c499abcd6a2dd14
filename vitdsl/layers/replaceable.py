"""Calls of layers that a caller may have replaced or wrapped.

Libraries replace `nn.Linear` in a model, and what they put there knows the layouts of torch's own class alone.

Shapes: b batch, n tokens, c channels, h rows and w columns of a map.
"""

from torch import Tensor, nn

from .linear import Linear


def map_channels(layer: nn.Module, x_bchw: Tensor) -> Tensor:
    """Apply a linear layer to a map; a layer that is not ours gets tokens, (b, n, c)."""
    if type(layer) is Linear:
        return layer(x_bchw)
    return layer(x_bchw.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, x_bchw.shape[2:])
