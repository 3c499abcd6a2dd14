"""Tables that are added to tokens: learned ones, and formulas.

Shapes: b batch, n tokens, c channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .lengths import are_known_equal
from .tables import GridLayer, Table, interpolate_grid, resize_grid


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
        if are_known_equal((height, width), self.grid):
            return x_bnc + self.weight
        return x_bnc + interpolate_grid(self.weight, self.extra, self.grid, (height, width))

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
        formula: makes the table of some lengths, (1, N, dim), in float64.
        lengths: rows and columns of the grid, or the number of tokens alone.
        persistent: whether state dicts hold it.
    """

    flexible = ("lengths", "weight")
    """What a call takes anew from the sizes that it is given."""
    weight: Tensor

    def __init__(self, formula: Callable[..., Tensor], lengths: tuple[int, ...], persistent: bool) -> None:
        super().__init__()
        self.formula, self.lengths, self.persistent = formula, lengths, persistent
        self.register_buffer("weight", formula(*lengths).to(torch.get_default_dtype()), persistent)

    def forward(self, x_bnc: Tensor, height: int | None = None, width: int | None = None) -> Tensor:
        """Add the table; for a grid of another `height` and `width`, or another number of tokens, it is computed."""
        lengths = (x_bnc.shape[1],) if height is None or width is None else (height, width)
        if len(lengths) != len(self.lengths) or are_known_equal(lengths, self.lengths):
            return x_bnc + self.weight.to(x_bnc.dtype)
        return x_bnc + self.formula(*lengths).to(self.weight).to(x_bnc.dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> FixedPosition:
        before = self.weight
        super()._apply(fn, recurse)
        if not self.persistent and self.weight is not before:
            self.weight = self.formula(*self.lengths).to(self.weight)
        return self

    def tables(self) -> dict[str, Table]:
        """The table, where state dicts hold it; it is computed anew, and nothing of the other one is taken."""
        if not self.persistent:
            return {}

        def resize(weight: Tensor, old: tuple[int], new: tuple[int]) -> Tensor:
            return self.formula(*self.lengths).to(weight)

        return {"weight": Table((self.weight.shape[1],), 1, math.prod, resize)}

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{self.weight.shape[1]}, {self.weight.shape[2]}, persistent={self.persistent}"


class OnKeys(GridLayer):
    """A learned table that is added to the keys.

    Parameters: `weight` (1, N, dim). No matrix products.
    """

    def __init__(
        self,
        count: int | tuple[int, int],
        dim: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.grid = None if isinstance(count, int) else (count[0], count[1])
        tokens = count if isinstance(count, int) else count[0] * count[1]
        self.weight = nn.Parameter(torch.empty(1, tokens, dim, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table from a normal distribution of deviation 0.02."""
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, k_bnc: Tensor) -> Tensor:
        """Add the table to the keys (b, n, dim)."""
        return k_bnc + self.weight

    @staticmethod
    def resize(weight: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
        """Interpolate a table (1, h·w, dim) from one grid to another, bicubic."""
        return resize_grid(weight, 0, old_grid, new_grid)

    def tables(self) -> dict[str, Table]:
        """The table, where the keys are a grid."""
        return {} if self.grid is None else {"weight": Table(self.grid, 1, math.prod, self.resize)}

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{self.weight.shape[1]}, {self.weight.shape[2]}"
