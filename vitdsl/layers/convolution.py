"""Convolution, and the padding that TensorFlow calls `same`.

Shapes: b batch, c channels, h rows and w columns of a map.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Pair = tuple[int, int]


def pad_same(x_bchw: Tensor, kernel: Pair, stride: Pair, dilation: Pair = (1, 1), value: float = 0.0) -> Tensor:
    """Pad a map so that a sliding window leaves ⌈size / stride⌉ places; what is odd goes right and below.

    Args:
        x_bchw: (b, c, h, w).
        kernel: rows and columns of the window.
        stride: rows and columns from one place to the next.
        dilation: rows and columns from one entry of the window to the next.
        value: what to fill with.

    Returns:
        (b, c, h', w').
    """
    margins = []
    for size, k, s, d in zip(x_bchw.shape[:1:-1], kernel[::-1], stride[::-1], dilation[::-1], strict=True):
        total = torch.sym_max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0)
        margins += [total // 2, total - total // 2]
    return F.pad(x_bchw, margins, value=value)


class Conv2d(nn.Conv2d):
    """A convolution that can pad as TensorFlow does, for strides too.

    Parameters and multiply-adds: as `torch.nn.Conv2d`.
    """

    def __init__(
        self,
        in_dim: int,
        dim: int,
        kernel: Pair,
        stride: Pair = (1, 1),
        padding: Pair | Literal["same"] = (0, 0),
        dilation: Pair = (1, 1),
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        if padding == "same" and stride == (1, 1) and not any(side % 2 for side in reach):
            padding = (reach[0] // 2, reach[1] // 2)  # the same on all sides, whatever the size
        margin = (0, 0) if padding == "same" else padding
        super().__init__(in_dim, dim, kernel, stride, margin, dilation, groups, bias)
        self.same, self.sliding = padding == "same", (kernel, stride, dilation)

    def forward(self, input: Tensor) -> Tensor:
        """Return (b, dim, rows, columns)."""
        if self.same:
            input = pad_same(input, *self.sliding)
        return super().forward(input)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return super().extra_repr() + (", padding=same" if self.same else "")
