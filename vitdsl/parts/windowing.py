"""Sizes of operators that slide a window over a grid: convolutions, pools, unfold."""

from __future__ import annotations

from typing import Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Feature

Pair = tuple[int, int]


def default_padding(kernel: Pair) -> Pair:
    """(k-1)/2 for odd kernels and 0 for even ones."""
    high, wide = kernel
    return ((high - 1) // 2 if high % 2 else 0, (wide - 1) // 2 if wide % 2 else 0)


def convolved(
    x: Feature, dim: int, groups: int, kernel: Pair, stride: Pair, padding: Pair | Literal["same"], dilation: Pair
) -> Feature:
    """What a convolution makes of a feature: the slid grid at the new width.

    Raises:
        ShapeError: the groups do not divide a width, or the kernel does not fit.
    """
    if x.dim % groups or dim % groups:
        name, width = ("the width that enters", x.dim) if x.dim % groups else ("`dim`", dim)
        raise ShapeError(f"`groups` ({groups}) must divide {name} ({width})", "", ("groups",))
    return x.with_grid(slid(x, kernel, stride, padding, dilation), dim)


def slid(
    x: Feature,
    kernel: Pair,
    stride: Pair,
    padding: Pair | Literal["same"],
    dilation: Pair = (1, 1),
    what: str = "kernel",
) -> Pair:
    """The grid that a sliding window leaves.

    Raises:
        ShapeError: there is no grid, or the window is larger than the padded grid.
    """
    grid = x.grid or x.grid_only.grid
    assert grid is not None
    if padding == "same":
        return (-(-grid[0] // stride[0]), -(-grid[1] // stride[1]))
    high = (grid[0] + 2 * padding[0] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    wide = (grid[1] + 2 * padding[1] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    if high < 1 or wide < 1:
        raise ShapeError(
            f"the {what} ({kernel[0]}x{kernel[1]}) must fit on the grid, which is {grid[0]}x{grid[1]}"
            f" padded by {padding[0]}x{padding[1]}",
            "a smaller kernel, more padding, or fewer strides before it",
            ("kernel",),
        )
    return (high, wide)
