"""Tables that are added to tokens: learned ones, and formulas.

Shapes: b batch, n tokens, c channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lengths import known_equal
from .tables import GridLayer, Table, resize_grid


class LearnedPosition(GridLayer):
    """A learned vector for each token; the grid's part is resized where another grid comes.

    Parameters: `weight` (1, count, dim). No matrix products.
    """

    def __init__(self, count: int, dim: int, grid: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.grid = grid
        self.extra = count - grid[0] * grid[1] if grid else count
        self.weight = nn.Parameter(torch.empty(1, count, dim))
        self.reset_parameters()

    @property
    def flexible(self) -> tuple[str, ...]:
        """What a call takes anew from the sizes that it is given."""
        return ("grid", "weight") if self.grid is not None else ()

    def reset_parameters(self) -> None:
        """Draw the table from a normal distribution of deviation 0.02."""
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x_bnc: Tensor, height: int | None = None, width: int | None = None) -> Tensor:
        """Add the table; `height` and `width` are the rows and columns of the grid behind the extra tokens."""
        if self.grid is None or height is None or width is None:
            return x_bnc + self.weight
        if all(known_equal(new, old) for new, old in zip((height, width), self.grid, strict=True)):
            return x_bnc + self.weight
        return x_bnc + self._resized(self.grid, height, width)

    def _resized(self, grid: tuple[int, int], height: int, width: int) -> Tensor:
        """As `resize_grid`, which compares sizes; interpolation to the same size changes no digit."""
        table_bchw = self.weight[:, self.extra :].transpose(1, 2).unflatten(2, grid)
        working = table_bchw if table_bchw.dtype == torch.float64 else table_bchw.float()
        resized_bchw = F.interpolate(working, (height, width), mode="bicubic", align_corners=False)
        resized_bnc = resized_bchw.flatten(2).transpose(1, 2).to(self.weight.dtype)
        return torch.cat([self.weight[:, : self.extra], resized_bnc], dim=1)

    @staticmethod
    def resize(weight: Tensor, extra: int, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
        """Interpolate a table (1, extra + h·w, dim) from one grid to another, bicubic; extra tokens are kept."""
        return resize_grid(weight, extra, old_grid, new_grid)

    def tables(self) -> dict[str, Table]:
        """The table, where there is a grid."""
        if self.grid is None:
            return {}
        extra = self.extra

        def resize(weight: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
            return self.resize(weight, extra, old, new)

        return {"weight": Table(self.grid, 1, lambda grid: extra + grid[0] * grid[1], resize)}

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{self.weight.shape[1]}, {self.weight.shape[2]}, grid={self.grid}"


class WindowPosition(GridLayer):
    """A learned vector for each place in a window, the same in all windows.

    Parameters: `weight` (1, h·w, dim). No matrix products.
    """

    def __init__(self, window: tuple[int, int], dim: int) -> None:
        super().__init__()
        self.window = window
        self.weight = nn.Parameter(torch.empty(1, window[0] * window[1], dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table from a normal distribution of deviation 0.02."""
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x_bnc: Tensor) -> Tensor:
        """Add the table to windows (images·windows, h·w, dim)."""
        return x_bnc + self.weight

    def tables(self) -> dict[str, Table]:
        """The table, for a window."""

        def resize(weight: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
            return resize_grid(weight, 0, old, new)

        return {"weight": Table(self.window, 1, math.prod, resize)}

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{self.window}, {self.weight.shape[2]}"


class FixedPosition(GridLayer):
    """A table that is a formula.

    A persistent one is loaded, cast and moved as weights are. One that is not is made anew whenever the module is cast
    or moved: no checkpoint brings it back, and in float64 it is the formula to the last digit.

    Parameters: none; `weight` (1, N, dim) is a buffer.

    Args:
        table: makes the table, (1, N, dim), in float64.
        persistent: whether state dicts hold it.
    """

    weight: Tensor

    def __init__(self, table: Callable[[], Tensor], persistent: bool) -> None:
        super().__init__()
        self.table, self.persistent = table, persistent
        self.register_buffer("weight", table().to(torch.get_default_dtype()), persistent)

    def forward(self, x_bnc: Tensor) -> Tensor:
        """Add the table."""
        return x_bnc + self.weight.to(x_bnc.dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> FixedPosition:
        before = self.weight
        super()._apply(fn, recurse)
        if not self.persistent and self.weight is not before:
            self.weight = self.table().to(self.weight)
        return self

    def tables(self) -> dict[str, Table]:
        """The table, where state dicts hold it; it is computed anew, and nothing of the other one is taken."""
        if not self.persistent:
            return {}

        def resize(weight: Tensor, old: tuple[int], new: tuple[int]) -> Tensor:
            return self.table().to(weight)

        return {"weight": Table((self.weight.shape[1],), 1, math.prod, resize)}

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{self.weight.shape[1]}, {self.weight.shape[2]}, persistent={self.persistent}"
