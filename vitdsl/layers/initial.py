"""Initial values of weights."""

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from torch import Tensor, nn

Fill = Callable[[Tensor], object]
"""Fills a tensor in place."""
Layer = TypeVar("Layer", bound=nn.Module)
FILLED = ("weight", "height", "width")
"""What is filled of a layer: its weight, or the tables of its two directions."""
SMALL: Fill = partial(nn.init.normal_, std=0.02)
"""A normal distribution of deviation 0.02, which the field's papers share.

They cut it at ±2, where no draw ever is: torch would look for such draws in each tensor, and find none.
"""


def fan_in(weight: Tensor) -> Tensor:
    """Draw from a normal distribution of deviation √(2 / fan in)."""
    return nn.init.normal_(weight, std=math.sqrt(2.0 / weight[0].numel()))


def fan_out(weight: Tensor) -> Tensor:
    """Draw from a normal distribution of deviation √(2 / fan out), the fan of one group of channels."""
    places = weight[0, 0].numel() if weight.ndim > 2 else 1
    return nn.init.normal_(weight, std=math.sqrt(2.0 / (weight.shape[0] * places)))


def initialized(layer: Layer, fill: Fill) -> Layer:
    """Fill the weights of a new layer, and its bias with zeros; return the layer."""
    for name in (*FILLED, "bias"):
        tensor = getattr(layer, name, None)
        if isinstance(tensor, nn.Parameter) and not tensor.is_meta:
            nn.init.zeros_(tensor) if name == "bias" else fill(tensor)
    return layer
