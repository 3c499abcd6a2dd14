"""Relative positions: biases of attention logits that depend on where the key lies as seen from the query.

Shapes: b batch, h heads, n tokens, q queries, k keys, d channels of a head, c channels, y and x the row and the column
of a query, i and j those of a key, t entries of a table.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tables import GridLayer, Table, resize_grid


class GatheredBias(GridLayer):
    """A table of biases and the map that is gathered from it; in evaluation the map is kept.

    The kept map is used while no gradient is needed and nothing compiles or exports. It is dropped by `train()`, by a
    change of type or device, by loading, and when the parameter was replaced or written in place (writing through
    `.data` cannot be noticed). Callers must not write into the returned map. Subclasses provide `make_index` and
    `gather`.
    """

    weight: nn.Parameter
    index: Tensor

    def __init__(self, shape: tuple[int, int], device: torch.device | str | None, dtype: torch.dtype | None) -> None:
        super().__init__()
        self._cache: tuple[Tensor, int, Tensor] | None = None
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))

    def make_index(self) -> Tensor:
        """Entries of the table, one for each pair of a query and a key; int64, on the CPU, flat."""
        raise NotImplementedError

    def gather(self) -> Tensor:
        """The map, computed from the table: (1, heads, queries, keys)."""
        raise NotImplementedError

    def forward(self) -> Tensor:
        """Return the map: (1, heads, queries, keys)."""
        if torch.compiler.is_compiling() or not self._may_keep():
            return self.gather()
        weight, cache = self.weight, self._cache
        if cache is not None and cache[0] is weight and cache[1] == weight._version:
            return cache[2]
        # A map made in inference mode could not take part in a later backward pass.
        with torch.inference_mode(False), torch.no_grad():
            bias_1hqk = self.gather()
        if type(bias_1hqk) is Tensor:  # fake and distributed tensors must not outlive the mode that made them
            self._cache = (weight, weight._version, bias_1hqk)
        return bias_1hqk

    def _may_keep(self) -> bool:
        if self.training or self.weight.is_inference():
            return False
        return not (torch.is_grad_enabled() and self.weight.requires_grad)

    def _place_index(self) -> None:
        self.register_buffer("index", self.make_index().to(self.weight.device), persistent=False)

    def train(self, mode: bool = True) -> GatheredBias:
        """Set the mode, and drop the kept map."""
        self._cache = None
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> GatheredBias:
        self._cache = None
        before = self.index
        super()._apply(fn, recurse)
        if self.index is not before:  # `to_empty` leaves arbitrary numbers in what no checkpoint brings back
            self._place_index()
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._cache = None
        super()._load_from_state_dict(*args, **kwargs)
        if self.index.device != self.weight.device:  # `assign=True` on a module on the meta device
            self._place_index()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": None}


class RelativeBias(GatheredBias):
    """A learned bias for each head and each signed offset inside a window.

    The entry of a pair is (dy + h - 1)·(2w - 1) + dx + w - 1, with (dy, dx) the query's place minus the key's.

    Parameters: `weight` ((2h - 1)(2w - 1), heads). No matrix products.
    """

    def __init__(
        self,
        heads: int,
        window: tuple[int, int],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(((2 * window[0] - 1) * (2 * window[1] - 1), heads), device, dtype)
        self.heads, self.window = heads, (window[0], window[1])
        self._place_index()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table from a normal distribution of deviation 0.02."""
        nn.init.normal_(self.weight, std=0.02)

    def make_index(self) -> Tensor:
        """Entries of the table for all pairs, flat."""
        height, width = self.window
        y, x = (torch.arange(size, device="cpu") for size in self.window)
        dy_yi = y[:, None] - y + height - 1
        dx_xj = x[:, None] - x + width - 1
        return (dy_yi[:, None, :, None] * (2 * width - 1) + dx_xj[None, :, None, :]).flatten()

    def gather(self) -> Tensor:
        """The map, computed from the table: (1, heads, h·w, h·w)."""
        count = self.window[0] * self.window[1]
        bias_qkh = self.weight.index_select(0, self.index).view(count, count, self.heads)
        return bias_qkh.permute(2, 0, 1).contiguous()[None]

    @staticmethod
    def resize(weight: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
        """Interpolate a table ((2h - 1)(2w - 1), heads) from one window to another, bicubic."""
        (old_h, old_w), (new_h, new_w) = old_grid, new_grid
        old, new = (2 * old_h - 1, 2 * old_w - 1), (2 * new_h - 1, 2 * new_w - 1)
        return resize_grid(weight[None], 0, old, new)[0]

    def tables(self) -> dict[str, Table]:
        """The table, for a window."""
        return {"weight": Table(self.window, 0, lambda grid: (2 * grid[0] - 1) * (2 * grid[1] - 1), self.resize)}

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"heads={self.heads}, window={self.window}"


class OffsetBias(GatheredBias):
    """A learned bias for each head and each absolute offset between a query and a key, (|dy|, |dx|).

    Queries lie at every stride-th row and column of the keys' grid; the entry of a pair is |dy|·W + |dx| with
    dy = stride·(query's row) - (key's row), dx likewise, and W the columns of the grid of offsets. That grid is the
    keys', unless the queries reach beyond it.

    Parameters: `weight` (heads, offsets), offsets = H·W of the grid of offsets. No matrix products.
    """

    def __init__(
        self,
        heads: int,
        key_grid: tuple[int, int],
        query_grid: tuple[int, int] | None = None,
        stride: int = 1,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        (key_h, key_w) = key_grid
        query_h, query_w = query_grid or (-(-key_h // stride), -(-key_w // stride))
        offsets = (max(key_h, stride * (query_h - 1) + 1), max(key_w, stride * (query_w - 1) + 1))
        super().__init__((heads, offsets[0] * offsets[1]), device, dtype)
        self.heads, self.stride = heads, stride
        self.key_grid, self.query_grid, self.offset_grid = (key_h, key_w), (query_h, query_w), offsets
        self._place_index()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start without a bias."""
        nn.init.zeros_(self.weight)

    def make_index(self) -> Tensor:
        """Entries of the table for all pairs, flat."""
        dy_yi, dx_xj = (
            (self.stride * torch.arange(queries, device="cpu")[:, None] - torch.arange(keys, device="cpu")).abs()
            for queries, keys in zip(self.query_grid, self.key_grid, strict=True)
        )
        return (dy_yi[:, None, :, None] * self.offset_grid[1] + dx_xj[None, :, None, :]).flatten()

    def gather(self) -> Tensor:
        """The map, computed from the table: (1, heads, queries, keys)."""
        queries, keys = math.prod(self.query_grid), math.prod(self.key_grid)
        return self.weight.index_select(1, self.index).view(1, self.heads, queries, keys)

    @staticmethod
    def resize(weight: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
        """Interpolate a table (heads, H·W) from one grid of offsets to another, bicubic.

        The table is mirrored to signed offsets first, so that offset 0 stays at 0 and the result is even.
        """
        (old_h, old_w), (new_h, new_w) = old_grid, new_grid
        table_hyx = weight.unflatten(1, (old_h, old_w))
        signed_hyx = torch.cat([table_hyx[:, 1:].flip(1), table_hyx], dim=1)
        signed_hyx = torch.cat([signed_hyx[:, :, 1:].flip(2), signed_hyx], dim=2)
        resized_th = RelativeBias.resize(signed_hyx.flatten(1).T, old_grid, new_grid)
        resized_hyx = resized_th.T.unflatten(1, (2 * new_h - 1, 2 * new_w - 1))
        return resized_hyx[:, new_h - 1 :, new_w - 1 :].flatten(1)

    def tables(self) -> dict[str, Table]:
        """The table, for a grid of offsets."""
        return {"weight": Table(self.offset_grid, 1, math.prod, self.resize)}

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"heads={self.heads}, key_grid={self.key_grid}, query_grid={self.query_grid}, stride={self.stride}"


class Relative2d(GridLayer):
    """Logits of a query and the rows and columns by which the key lies away from it, shared by all heads.

    The logit of the query at (y, x) and the key at (i, j) is q·height[i - y + H - 1] + q·width[j - x + W - 1]. The
    tables are spread to (H, H, d) and (W, W, d) and multiplied row by row and column by column; q comes scaled.

    Parameters: `height` (2H - 1, d), `width` (2W - 1, d): 2·(H + W - 1)·d.
    Multiply-adds: heads·N·(H + W)·d with N = H·W.
    """

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

    def forward(self, q_bhnd: Tensor) -> Tensor:
        """Return the logits (b, heads, n, n) of the queries (b, heads, n, d), n in raster order."""
        batch, heads, tokens, _ = q_bhnd.shape
        q_bhyxd = q_bhnd.unflatten(2, self.grid)
        rows_bhyxi = torch.einsum("bhyxd,yid->bhyxi", q_bhyxd, self._spread(self.height, self.grid[0]))
        columns_bhyxj = torch.einsum("bhyxd,xjd->bhyxj", q_bhyxd, self._spread(self.width, self.grid[1]))
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
        if old == new:
            return weight
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
