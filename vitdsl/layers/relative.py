"""Relative positions: biases of attention logits that depend on where the key lies as seen from the query.

Shapes: h heads, q queries, k keys, y and x the row and the column of a query, i and j those of a key, t entries of a
table.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .lengths import are_known_equal, is_tracing
from .tables import GridLayer, Table, interpolate_grid


class GatheredBias(GridLayer):
    """A table of biases and the map that is gathered from it; in evaluation the map is kept.

    The kept map is used while no gradient is needed and nothing compiles or exports. It is dropped by `train()`, by a
    change of type or device, by loading, and when the parameter was replaced or written in place (writing through
    `.data` cannot be noticed). Callers must not write into the returned map. Subclasses provide `make_index`, `gather`
    and `resized`.

    Attributes:
        grid: rows and columns of the keys.
    """

    flexible = ("grid", "weight", "index", "query_grid", "offset_grid")
    """What a call takes anew from the sizes that it is given."""
    weight: nn.Parameter
    index: Tensor

    def __init__(
        self,
        shape: tuple[int, int],
        grid: tuple[int, int],
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        self._cache: tuple[Tensor, int, tuple[int, int], Tensor] | None = None
        self.grid = grid
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))

    def make_index(self) -> Tensor:
        """Entries of the table, one for each pair of a query and a key; int64, on the CPU, flat."""
        raise NotImplementedError

    def gather(self) -> Tensor:
        """The map, computed from the table: (1, heads, queries, keys)."""
        raise NotImplementedError

    def resized(self, height: int, width: int) -> Tensor:
        """The map for keys of another grid, whose lengths may be symbols: what this would be after `resize`."""
        raise NotImplementedError

    def forward(self, height: int | None = None, width: int | None = None) -> Tensor:
        """Return the map, (1, heads, queries, keys); `height` and `width` are the rows and columns of the keys."""
        grid = self.grid if height is None or width is None else (height, width)
        if torch.compiler.is_compiling() or is_tracing() or not self._may_keep():
            return self._map(grid)
        weight, cache = self.weight, self._cache
        if cache is not None and cache[0] is weight and cache[1:3] == (weight._version, grid):
            return cache[3]
        # A map made in inference mode could not take part in a later backward pass.
        with torch.inference_mode(False), torch.no_grad():
            bias_1hqk = self._map(grid)
        if type(bias_1hqk) is Tensor:  # fake and distributed tensors must not outlive the mode that made them
            self._cache = (weight, weight._version, grid, bias_1hqk)
        return bias_1hqk

    def _map(self, grid: tuple[int, int]) -> Tensor:
        return self.gather() if are_known_equal(grid, self.grid) else self.resized(*grid)

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
        super().__init__(((2 * window[0] - 1) * (2 * window[1] - 1), heads), (window[0], window[1]), device, dtype)
        self.heads = heads
        self._place_index()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table from a normal distribution of deviation 0.02."""
        nn.init.normal_(self.weight, std=0.02)

    def make_index(self) -> Tensor:
        """Entries of the table for all pairs, flat."""
        return self._index(*self.grid, "cpu")

    @staticmethod
    def _index(height: int, width: int, device: torch.device | str) -> Tensor:
        y, x = (torch.arange(size, device=device) for size in (height, width))
        dy_yi = y[:, None] - y + height - 1
        dx_xj = x[:, None] - x + width - 1
        return (dy_yi[:, None, :, None] * (2 * width - 1) + dx_xj[None, :, None, :]).flatten()

    def gather(self) -> Tensor:
        """The map, computed from the table: (1, heads, h·w, h·w)."""
        return self._gathered(self.weight, self.index, math.prod(self.grid))

    def resized(self, height: int, width: int) -> Tensor:
        """The map for another window: (1, heads, h·w, h·w)."""
        weight = self._interpolated(self.weight, self.grid, (height, width))
        return self._gathered(weight, self._index(height, width, weight.device), height * width)

    def _gathered(self, weight: Tensor, index: Tensor, count: int) -> Tensor:
        bias_qkh = weight.index_select(0, index).view(count, count, self.heads)
        return bias_qkh.permute(2, 0, 1).contiguous()[None]

    @staticmethod
    def resize(weight: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
        """Interpolate a table ((2h - 1)(2w - 1), heads) from one window to another, bicubic."""
        return weight if old_grid == new_grid else RelativeBias._interpolated(weight, old_grid, new_grid)

    @staticmethod
    def _interpolated(weight: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
        (old_h, old_w), (new_h, new_w) = old_grid, new_grid
        old, new = (2 * old_h - 1, 2 * old_w - 1), (2 * new_h - 1, 2 * new_w - 1)
        return interpolate_grid(weight[None], 0, old, new)[0]

    def tables(self) -> dict[str, Table]:
        """The table, for a window."""
        return {"weight": Table(self.grid, 0, lambda grid: (2 * grid[0] - 1) * (2 * grid[1] - 1), self.resize)}

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"heads={self.heads}, window={self.grid}"


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
        super().__init__((heads, offsets[0] * offsets[1]), (key_h, key_w), device, dtype)
        self.heads, self.stride = heads, stride
        self.query_grid, self.offset_grid = (query_h, query_w), offsets
        self._place_index()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start without a bias."""
        nn.init.zeros_(self.weight)

    def make_index(self) -> Tensor:
        """Entries of the table for all pairs, flat."""
        return self._index(self.query_grid, self.grid, self.offset_grid[1], "cpu")

    def _index(
        self, queries: tuple[int, int], keys: tuple[int, int], columns: int, device: torch.device | str
    ) -> Tensor:
        dy_yi, dx_xj = (
            (self.stride * torch.arange(q, device=device)[:, None] - torch.arange(k, device=device)).abs()
            for q, k in zip(queries, keys, strict=True)
        )
        return (dy_yi[:, None, :, None] * columns + dx_xj[None, :, None, :]).flatten()

    def gather(self) -> Tensor:
        """The map, computed from the table: (1, heads, queries, keys)."""
        queries, keys = math.prod(self.query_grid), math.prod(self.grid)
        return self.weight.index_select(1, self.index).view(1, self.heads, queries, keys)

    def resized(self, height: int, width: int) -> Tensor:
        """The map for keys of another grid, and queries at every stride-th row and column of it."""
        weight = self._interpolated(self.weight, self.offset_grid, (height, width))
        # written as torch writes the length of a slice, which it must find equal where lengths are symbols
        queries = ((height + self.stride - 1) // self.stride, (width + self.stride - 1) // self.stride)
        index = self._index(queries, (height, width), width, weight.device)
        return weight.index_select(1, index).view(1, self.heads, queries[0] * queries[1], height * width)

    @staticmethod
    def resize(weight: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
        """Interpolate a table (heads, H·W) from one grid of offsets to another, bicubic.

        The table is mirrored to signed offsets first, so that offset 0 stays at 0 and the result is even.
        """
        return weight if old_grid == new_grid else OffsetBias._interpolated(weight, old_grid, new_grid)

    @staticmethod
    def _interpolated(weight: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
        (old_h, old_w), (new_h, new_w) = old_grid, new_grid
        table_hyx = weight.unflatten(1, (old_h, old_w))
        signed_hyx = torch.cat([table_hyx[:, 1:].flip(1), table_hyx], dim=1)
        signed_hyx = torch.cat([signed_hyx[:, :, 1:].flip(2), signed_hyx], dim=2)
        resized_th = RelativeBias._interpolated(signed_hyx.flatten(1).T, old_grid, new_grid)
        resized_hyx = resized_th.T.unflatten(1, (2 * new_h - 1, 2 * new_w - 1))
        return resized_hyx[:, new_h - 1 :, new_w - 1 :].flatten(1)

    def tables(self) -> dict[str, Table]:
        """The table, for a grid of offsets."""
        return {"weight": Table(self.offset_grid, 1, math.prod, self.resize)}

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"heads={self.heads}, key_grid={self.grid}, query_grid={self.query_grid}, stride={self.stride}"
