"""Neighbourhoods of a map as channels, and back; maps of another size.

Shapes: b batch, n positions, c channels, h rows and w columns of a map.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convolution import Pair, fit_windows, pad_same
from .lengths import runs_as_written


class Unfold(nn.Module):
    """The neighbourhood of each position as channels, in the order channel, row, column.

    Rows and columns that do not fill a neighbourhood are left out (`drop`), filled up with zeros (`pad`), or refused
    (`exact`).
    """

    def __init__(self, kernel: Pair, stride: Pair, padding: Pair | Literal["same"] = (0, 0), fit: str = "drop") -> None:
        super().__init__()
        self.kernel, self.stride, self.fit = kernel, stride, fit
        self.padding: Pair | Literal["same"] = padding

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return (b, n, c · kernel rows · kernel columns), n in raster order."""
        if self.padding == "same":
            x_bchw, margin = pad_same(x_bchw, self.kernel, self.stride), (0, 0)
        else:
            margin = self.padding
            x_bchw = fit_windows(x_bchw, self.kernel, self.stride, margin, (1, 1), self.fit)
        if self.stride == self.kernel and margin == (0, 0):
            return self._tile(x_bchw)
        return F.unfold(x_bchw, self.kernel, padding=margin, stride=self.stride).transpose(1, 2)

    def _tile(self, x_bchw: Tensor) -> Tensor:
        batch, channels, height, width = x_bchw.shape
        k_h, k_w = self.kernel
        rows, columns = height // k_h, width // k_w
        cut = x_bchw[:, :, : rows * k_h, : columns * k_w].reshape(batch, channels, rows, k_h, columns, k_w)
        return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, channels * k_h * k_w)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"kernel={self.kernel}, stride={self.stride}, padding={self.padding}, fit={self.fit}"


class Fold(nn.Module):
    """Channels in the order channel, row, column become a tile of positions: the way back from a tiling `Unfold`."""

    def __init__(self, kernel: Pair) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return (b, c / (kernel rows · kernel columns), kernel rows · h, kernel columns · w)."""
        height, width = x_bchw.shape[2:]
        k_h, k_w = self.kernel
        y = x_bchw.unflatten(1, (-1, k_h, k_w)).permute(0, 1, 4, 2, 5, 3)
        return y.reshape(y.shape[0], y.shape[1], height * k_h, width * k_w)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"kernel={self.kernel}"


class Resize(nn.Module):
    """Interpolation to a size or by a factor, without antialias, corners not aligned.

    Args:
        size: height and width of what comes out, unless the call says others.
        scale: the factor, where there is no size.
        mode: `nearest`, `bilinear` or `bicubic`.
    """

    def __init__(self, size: Pair | None = None, scale: float | None = None, mode: str = "bilinear") -> None:
        super().__init__()
        self.size, self.scale, self.mode = size, scale, mode

    def forward(self, x_bchw: Tensor, height: int | None = None, width: int | None = None) -> Tensor:
        """Return (b, c, rows, columns)."""
        aligned = None if self.mode == "nearest" else False
        size = self.size if height is None or width is None else (height, width)
        return F.interpolate(x_bchw, size, self.scale, self.mode, aligned)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"size={self.size}, scale={self.scale}, mode={self.mode}"


class ResizeToImage(Resize):
    """Interpolation to the size of the image, which a model gives with each call."""

    flexible = ("size",)
    """What a call takes anew from the sizes that it is given."""

    def __init__(self, size: Pair, mode: str = "bilinear") -> None:
        super().__init__(size, None, mode)


class Subsample(nn.Module):
    """Every s-th row and column, from the first."""

    def __init__(self, stride: Pair) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return (b, c, ⌈h / stride⌉, ⌈w / stride⌉)."""
        y_bchw = x_bchw[:, :, :: self.stride[0], :: self.stride[1]]
        # whether a view of it can be taken, an export of symbolic lengths cannot tell
        return y_bchw if runs_as_written(x_bchw) else y_bchw.clone(memory_format=torch.contiguous_format)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"stride={self.stride}"
