"""Functions of each value, by name, and multiplication by a number.

Shapes: b batch, n tokens, c channels, h rows and w columns of a map.
"""

from functools import partial

import torch
from torch import Tensor, nn


class QuickGelu(nn.Module):
    """x·σ(1.702·x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        gate = (1.702 * x).sigmoid_()
        return x * gate if torch.is_grad_enabled() else gate.mul_(x)


class ChannelSoftmax(nn.Module):
    """Softmax over the channels of each token."""

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the last axis of (b, n, c) and (b, c), axis 1 of (b, c, h, w)."""
        return torch.softmax(x, dim=1 if x.ndim == 4 else -1)


_BY_NAME: dict[str, partial[nn.Module]] = {
    "gelu": partial(nn.GELU),
    "gelu_tanh": partial(nn.GELU, "tanh"),
    "quick_gelu": partial(QuickGelu),
    "relu": partial(nn.ReLU),
    "relu6": partial(nn.ReLU6),
    "silu": partial(nn.SiLU),
    "hardswish": partial(nn.Hardswish),
    "sigmoid": partial(nn.Sigmoid),
    "tanh": partial(nn.Tanh),
    "softmax": partial(ChannelSoftmax),
}


def activation(name: str) -> partial[nn.Module]:
    """What makes the activation of this name.

    Raises:
        KeyError: there is none.
    """
    return _BY_NAME[name]


class Scale(nn.Module):
    """Multiplies by a number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """Return value · x."""
        return x * self.value

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.value}"
