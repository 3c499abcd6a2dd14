"""Convolution, and the padding that TensorFlow calls `same`.

Shapes: b batch, c channels, h rows and w columns of a map.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .initial import Fill, initialized
from .lengths import is_tracing, runs_as_written

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


def fit_windows(x_bchw: Tensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, fit: str) -> Tensor:
    """A map whose far rim windows reach: as it is (`drop`), filled up with zeros (`pad`), or refused (`exact`)."""
    if fit == "drop" or (fit == "exact" and (is_tracing() or not isinstance(x_bchw, Tensor))):
        return x_bchw  # what traces a program records no check
    margins = []
    axes = ((x_bchw.shape[2], x_bchw.shape[3]), kernel, stride, padding, dilation)
    for size, k, s, p, d in zip(*(axis[::-1] for axis in axes), strict=True):
        reach = d * (k - 1) + 1
        beyond, allowed = (size + 2 * p - reach) % s, p + max(0, s - reach)
        if fit == "exact":
            torch._check(beyond <= allowed, lambda: f"windows of {kernel} with strides of {stride} must fit on the map")
        elif s == k and not p:
            margins += [0, -size % s]  # no comparison that an export would guard
        else:
            more = s - beyond if beyond > allowed else 0
            margins += [0, max(more, reach - size - 2 * p)]
    return F.pad(x_bchw, margins) if fit == "pad" else x_bchw


def windows_along(length: int, kernel: int, stride: int, padding: int) -> int:
    """How many windows there are along an axis that is filled up until they read all of it."""
    if stride == kernel and not padding:
        return -(-length // stride)
    beyond = (length + 2 * padding - kernel) % stride
    more = beyond > padding + max(0, stride - kernel)
    return max((length + 2 * padding - kernel) // stride + 1 + more, 1)


def known_layout(x_bchw: Tensor) -> Tensor:
    """Return the same map; of one image that lies channels last, so that torch sees it.

    An axis of one entry may have any stride, and by that of the batch torch decides which kernel it takes.
    """
    if x_bchw.shape[0] != 1 or x_bchw.stride(1) != 1 or x_bchw.shape[1] == 1 or x_bchw.stride(0) == x_bchw.numel():
        return x_bchw
    return x_bchw[0].permute(1, 2, 0)[None].permute(0, 3, 1, 2)


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
        fit: str = "drop",
        init: Fill | None = None,
    ) -> None:
        self.init = init
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        if padding == "same" and stride == (1, 1) and not any(side % 2 for side in reach):
            padding = (reach[0] // 2, reach[1] // 2)  # the same on all sides, whatever the size
        margin = (0, 0) if padding == "same" else padding
        super().__init__(in_dim, dim, kernel, stride, margin, dilation, groups, bias)
        self.same, self.sliding = padding == "same", (kernel, stride, dilation)
        self.fit, self.margin = "drop" if self.same else fit, margin

    def reset_parameters(self) -> None:
        """Draw the weight as `init` does, with a bias of zeros; without it, both as torch does."""
        if self.init is not None:
            initialized(self, self.init)
        elif not self.weight.is_meta:
            super().reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Return (b, dim, rows, columns)."""
        return self.compute(input, self.weight, self.bias)

    def compute(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Do what `forward` does, with another weight and bias."""
        if self.same:
            x = pad_same(x, *self.sliding)
        elif self.fit != "drop":
            kernel, stride, dilation = self.sliding
            x = fit_windows(x, kernel, stride, self.margin, dilation, self.fit)
        if runs_as_written(x):
            x = known_layout(x)
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        fit = "" if self.fit == "drop" else f", fit={self.fit}"
        return super().extra_repr() + (", padding=same" if self.same else "") + fit
