"""Relative positions in two directions: logits of queries and learned vectors of rows and columns.

Shapes: b batch, h heads, n tokens, d channels of a head, y and x the row and the column of a query, i and j those of a
key, t entries of a table.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lengths import known_equal
from .tables import GridLayer, Table


class Relative2d(GridLayer):
    """Logits of a query and the rows and columns by which the key lies away from it, shared by all heads.

    The logit of the query at (y, x) and the key at (i, j) is q·height[i - y + H - 1] + q·width[j - x + W - 1]. The
    tables are spread to (H, H, d) and (W, W, d) and multiplied row by row and column by column; q comes scaled.

    Parameters: `height` (2H - 1, d), `width` (2W - 1, d): 2·(H + W - 1)·d.
    Multiply-adds: heads·N·(H + W)·d with N = H·W.
    """

    flexible = ("grid", "height", "width")
    """What a call takes anew from the sizes that it is given."""

    def __init__(
        self,
        grid: tuple[int, int],
        head_dim: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.head_dim = (grid[0], grid[1]), head_dim
        self.height = nn.Parameter(torch.empty(2 * grid[0] - 1, head_dim, device=device, dtype=dtype))
        self.width = nn.Parameter(torch.empty(2 * grid[1] - 1, head_dim, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both tables from a normal distribution of deviation d^-½."""
        nn.init.normal_(self.height, std=self.head_dim**-0.5)
        nn.init.normal_(self.width, std=self.head_dim**-0.5)

    def forward(self, q_bhnd: Tensor, height: int | None = None, width: int | None = None) -> Tensor:
        """Return the logits (b, heads, n, n) of the queries (b, heads, n, d), n in raster order.

        Args:
            q_bhnd: the queries.
            height: rows of their grid, where it is another one than `grid`.
            width: its columns.
        """
        batch, heads, tokens, _ = q_bhnd.shape
        grid = self.grid if height is None or width is None else (height, width)
        q_bhyxd = q_bhnd.unflatten(2, grid)
        rows, columns = (
            self._spread(table if known_equal(old, new) else self._interpolated(table, new), new)
            for table, old, new in zip((self.height, self.width), self.grid, grid, strict=True)
        )
        rows_bhyxi = torch.einsum("bhyxd,yid->bhyxi", q_bhyxd, rows)
        columns_bhyxj = torch.einsum("bhyxd,xjd->bhyxj", q_bhyxd, columns)
        return (rows_bhyxi[..., :, None] + columns_bhyxj[..., None, :]).reshape(batch, heads, tokens, tokens)

    @staticmethod
    def _spread(table_td: Tensor, size: int) -> Tensor:
        places = torch.arange(size, device=table_td.device)
        return table_td[places - places[:, None] + size - 1]

    @staticmethod
    def resize(weight: Tensor, old: int, new: int) -> Tensor:
        """Interpolate one table (2·old - 1, d) to (2·new - 1, d), linear along the offsets."""
        if weight.shape[0] != 2 * old - 1:
            raise ValueError(f"Relative2d.resize: {old} rows need {2 * old - 1} offsets, found {weight.shape[0]}")
        return weight if old == new else Relative2d._interpolated(weight, new)

    @staticmethod
    def _interpolated(weight: Tensor, new: int) -> Tensor:
        working = weight if weight.dtype == torch.float64 else weight.float()
        resized = F.interpolate(working.T[None], size=2 * new - 1, mode="linear", align_corners=False)
        return resized[0].T.to(weight.dtype)

    def tables(self) -> dict[str, Table]:
        """The tables of both directions, each for a length."""

        def resize(weight: Tensor, old: tuple[int], new: tuple[int]) -> Tensor:
            return self.resize(weight, *old, *new)

        names = zip(("height", "width"), self.grid, strict=True)
        return {name: Table((length,), 0, lambda length: 2 * length[0] - 1, resize) for name, length in names}

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"grid={self.grid}, head_dim={self.head_dim}"
