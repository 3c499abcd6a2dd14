"""Affine maps of the channels, and of the tokens.

Shapes: b batch, n tokens, c channels, h rows and w columns of a map.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .initial import SMALL, Fill, initialized

MANY = 16
"""From so many channels on, a convolution of a map is as fast as a product for each image; below, a tenth as fast."""


class Linear(nn.Linear):
    """An affine map of the channels, of tokens or of a map.

    Parameters: `weight` (dim, in_dim), `bias` (dim). Multiply-adds: N·in_dim·dim.
    """

    def __init__(self, in_dim: int, dim: int, bias: bool = True, init: Fill | None = SMALL) -> None:
        self.init = init
        super().__init__(in_dim, dim, bias)

    def reset_parameters(self) -> None:
        """Draw the weight as `init` does, with a bias of zeros; without it, both as torch does."""
        if self.init is not None:
            initialized(self, self.init)
        elif not self.weight.is_meta:
            super().reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Map (b, n, c) or (b, c) along the last axis, (b, c, h, w) along axis 1."""
        return self.compute(input, self.weight, self.bias)

    @staticmethod
    def compute(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Do what `forward` does, with another weight and bias."""
        if x.ndim != 4:
            return F.linear(x, weight, bias)
        if min(weight.shape) >= MANY:
            return F.conv2d(x, weight[:, :, None, None], bias)
        weight_bdc, x_bcn = weight.expand(x.shape[0], -1, -1), x.flatten(2)
        y_bdn = weight_bdc @ x_bcn if bias is None else torch.baddbmm(bias[:, None], weight_bdc, x_bcn)
        return y_bdn.unflatten(2, x.shape[2:])


class TokenLinear(nn.Module):
    """An affine map of the tokens, the same for every channel.

    Parameters: `weight` (dim, tokens), `bias` (dim). Multiply-adds: tokens·dim·C.
    """

    bias: nn.Parameter | None

    def __init__(self, tokens: int, dim: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim, tokens))
        self.register_parameter("bias", nn.Parameter(torch.empty(dim)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw as `torch.nn.Linear` does."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x_bnc: Tensor) -> Tensor:
        """Return (b, dim, c)."""
        return F.linear(x_bnc.transpose(1, 2), self.weight, self.bias).transpose(1, 2)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"tokens={self.weight.shape[1]}, dim={self.weight.shape[0]}, bias={self.bias is not None}"
