"""Sizes of operators that slide a window over a grid: convolutions, pools, unfold."""

from __future__ import annotations

from typing import Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Feature

Pair = tuple[int, int]


def default_padding(kernel: Pair) -> Pair:
    """(k-1)/2 for odd kernels and 0 for even ones."""
    return tuple((side - 1) // 2 if side % 2 else 0 for side in kernel)  # type: ignore[return-value]


def slid(
    x: Feature, kernel: Pair, stride: Pair, padding: Pair | Literal["same"], dilation: Pair = (1, 1), what: str = "kernel"
) -> Pair:
    """The grid that a sliding window leaves.

    Raises:
        ShapeError: there is no grid, or the window is larger than the padded grid.
    """
    grid = x.grid_only.grid
    assert grid is not None
    out = []
    for size, k, s, p, d in zip(grid, kernel, stride, (0, 0) if padding == "same" else padding, dilation, strict=True):
        reach = d * (k - 1) + 1
        if padding == "same":
            out.append(-(-size // s))
            continue
        if size + 2 * p < reach:
            raise ShapeError(
                f"the {what} ({kernel[0]}x{kernel[1]}) does not fit on a grid of {grid[0]}x{grid[1]} padded by {p}",
                "a smaller kernel, more padding, or fewer strides before it",
            )
        out.append((size + 2 * p - reach) // s + 1)
    return (out[0], out[1])
