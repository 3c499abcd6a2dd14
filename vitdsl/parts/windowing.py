"""Sizes of operators that slide a window over a grid: convolutions, pools, unfold."""

from __future__ import annotations

from typing import Literal

from vitdsl.errors import RimError, ShapeError
from vitdsl.features import Feature

Pair = tuple[int, int]
Fit = Literal["drop", "exact", "pad"]
"""What becomes of rows and columns at the far rim that fill no window: they are left out, refused, or filled up."""


def default_padding(kernel: Pair) -> Pair:
    """(k-1)/2 for odd kernels and 0 for even ones."""
    high, wide = kernel
    return ((high - 1) // 2 if high % 2 else 0, (wide - 1) // 2 if wide % 2 else 0)


def conv_feature(
    x: Feature,
    dim: int,
    groups: int,
    kernel: Pair,
    stride: Pair,
    padding: Pair | Literal["same"],
    dilation: Pair,
    fit: Fit = "drop",
) -> Feature:
    """What a convolution makes of a feature: the grid of its windows, at the new width.

    Raises:
        ShapeError: the groups do not divide a width, or the kernel does not fit.
    """
    if x.dim % groups or dim % groups:
        name, width = ("the width that enters", x.dim) if x.dim % groups else ("`dim`", dim)
        raise ShapeError(f"`groups` ({groups}) must divide {name} ({width})", "", ("groups",), "E402")
    return x.with_grid(window_grid(x, kernel, stride, padding, dilation, fit), dim)


def left_out(grid: Pair, kernel: Pair, stride: Pair, padding: Pair | Literal["same"], dilation: Pair = (1, 1)) -> Pair:
    """How many rows and columns at the far rim no window reads, though there is one that would.

    What lies between any two windows, where the stride is larger than the kernel, does not count.
    """
    if padding == "same":
        return (0, 0)
    return (
        _left_out(grid[0], kernel[0], stride[0], padding[0], dilation[0]),
        _left_out(grid[1], kernel[1], stride[1], padding[1], dilation[1]),
    )


def _left_out(side: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    reach = dilation * (kernel - 1) + 1
    beyond = (side + 2 * padding - reach) % stride - padding
    return beyond if beyond > max(0, stride - reach) else 0


def window_grid(
    x: Feature,
    kernel: Pair,
    stride: Pair,
    padding: Pair | Literal["same"],
    dilation: Pair = (1, 1),
    fit: Fit = "drop",
    what: str = "kernel",
) -> Pair:
    """The grid that a sliding window leaves.

    Raises:
        ShapeError: there is no grid, the window is larger than the padded grid, or leaves something out.
    """
    grid = x.grid or x.grid_only.grid
    assert grid is not None
    if padding == "same":
        return (-(-grid[0] // stride[0]), -(-grid[1] // stride[1]))
    high = (grid[0] + 2 * padding[0] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    wide = (grid[1] + 2 * padding[1] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    if fit == "pad":
        rows, columns = left_out(grid, kernel, stride, padding, dilation)
        return (max(high + (rows > 0), 1), max(wide + (columns > 0), 1))
    if high < 1 or wide < 1:
        raise ShapeError(
            f"the {what} ({kernel[0]}x{kernel[1]}) must fit on the grid, which is {grid[0]}x{grid[1]}"
            f" padded by {padding[0]}x{padding[1]}",
            "a smaller kernel, more padding, or fewer strides before it",
            ("kernel",),
            "E405",
        )
    if fit == "exact":
        _refuse_rim(grid, kernel, stride, padding, dilation)
    return (high, wide)


def _refuse_rim(grid: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """Refuses windows that leave rows or columns out."""
    lost = left_out(grid, kernel, stride, padding, dilation)
    if lost == (0, 0):
        return
    near = []
    for sides in zip(grid, kernel, stride, padding, dilation, strict=True):
        side, rest = sides[0], sides[1:]
        below = next((n for n in range(side, 0, -1) if not _left_out(n, *rest)), 0)
        near.append((below, next(n for n in range(side, side + rest[1] + 1) if not _left_out(n, *rest))))
    raise RimError(
        f"windows of {kernel[0]}x{kernel[1]} would leave out {rim(lost)} of the grid, which is {grid[0]}x{grid[1]}",
        "`fit: pad` fills the grid up with zeros",
        grid,
        (near[0], near[1]),
        "E404",
    )


def rim(lost: Pair) -> str:
    """Rows and columns at a rim, in words."""
    words = [
        f"the last {count} {name}s" if count > 1 else f"the last {name}"
        for count, name in zip(lost, ("row", "column"), strict=True)
        if count
    ]
    return " and ".join(words)
