"""One token out of many, and smaller maps.

Shapes: b batch, n tokens, c channels, h rows and w columns of a map.
"""

import math
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convolution import Pair, pad_same


class PoolTokens(nn.Module):
    """Mean or maximum over all tokens."""

    def __init__(self, reduce: str = "mean") -> None:
        super().__init__()
        self.reduce = reduce

    def forward(self, x: Tensor) -> Tensor:
        """Return (b, 1, c) for (b, n, c) or (b, c, h, w)."""
        axes = (2, 3) if x.ndim == 4 else (1,)
        y_bc = x.mean(axes) if self.reduce == "mean" else x.amax(axes)
        return y_bc[:, None]

    def extra_repr(self) -> str:
        """What `print` shows."""
        return self.reduce


class SamePool2d(nn.Module):
    """Mean or maximum over neighbourhoods, padded as TensorFlow's `same`: what is filled in is not counted."""

    def __init__(self, reduce: str, kernel: Pair, stride: Pair) -> None:
        super().__init__()
        self.reduce, self.kernel, self.stride = reduce, kernel, stride

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return (b, c, ⌈h / stride⌉, ⌈w / stride⌉)."""
        if self.reduce == "max":
            padded = pad_same(x_bchw, self.kernel, self.stride, value=-math.inf)
            return F.max_pool2d(padded, self.kernel, self.stride)
        ones_11hw = x_bchw.new_ones((1, 1, *x_bchw.shape[2:]))
        mean, counted = (
            F.avg_pool2d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride) for x in (x_bchw, ones_11hw)
        )
        return mean / counted

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{self.reduce}, kernel={self.kernel}, stride={self.stride}, padding=same"


def pool_window(reduce: str, kernel: Pair, stride: Pair, padding: Pair | Literal["same"]) -> partial[nn.Module]:
    """What makes a layer that gives the mean or maximum over neighbourhoods of a map.

    Args:
        reduce: `mean` (filled zeros count, as in torch; not under `same`, as in TensorFlow) or `max`.
        kernel: rows and columns of a neighbourhood.
        stride: rows and columns from one to the next.
        padding: rows and columns on each side, at most half the kernel, or `same`.
    """
    if padding == "same":
        return partial(SamePool2d, reduce, kernel, stride)
    pool = nn.AvgPool2d if reduce == "mean" else nn.MaxPool2d
    return partial(pool, kernel, stride, padding)


class SequencePool(nn.Module):
    """The mean of all tokens, weighed by the softmax over them of an affine map of each.

    Parameters: `weight` (1, dim), `bias` (1). Multiply-adds: 2·N·dim.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, dim))
        self.bias = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw as `torch.nn.Linear` does."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x_bnc: Tensor) -> Tensor:
        """Return (b, 1, c)."""
        weights_bn1 = torch.softmax(F.linear(x_bnc, self.weight, self.bias), dim=1)
        return weights_bn1.transpose(1, 2) @ x_bnc

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{self.weight.shape[1]}"
