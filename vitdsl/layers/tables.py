"""Position tables that are formulas, and the resizing of position tables.

Shapes: b 1 or a batch, n tokens, c channels, h rows and w columns of a grid.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Grid = tuple[int, ...]
GRIDS = "grids"
"""The entry of a state dict's metadata that holds the grid of each table, by name."""


class Table(NamedTuple):
    """How a tensor of a layer belongs to a grid.

    Attributes:
        grid: the grid that it is made for: (rows, columns), or (length,).
        axis: the axis along which it has an entry for each place or offset.
        entries: how many there are for a grid.
        resize: makes the tensor for the second grid of that for the first.
    """

    grid: Grid
    axis: int
    entries: Callable[[Any], int]
    resize: Callable[[Tensor, Any, Any], Tensor]


class GridLayer(nn.Module):
    """A layer whose tensors are made for a grid.

    Its state dict says in its metadata for which. What is loaded for another grid is resized where the shapes agree,
    as they do for an image that was turned; where they differ, `load_state_dict` refuses it as torch does.
    """

    def tables(self) -> dict[str, Table]:
        """The tensors that belong to a grid, by name; those of state dicts alone."""
        raise NotImplementedError

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, "_metadata"):
            grids = {name: table.grid for name, table in self.tables().items()}
            destination._metadata[prefix[:-1]][GRIDS] = grids

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        tables = self.tables()
        for name, grid in local_metadata.get(GRIDS, {}).items():
            key = f"{prefix}{name}"
            if name not in tables or key not in state_dict or grid == tables[name].grid:
                continue
            if state_dict[key].shape == getattr(self, name).shape:
                state_dict[key] = tables[name].resize(state_dict[key], grid, tables[name].grid)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def sinusoid_table(count: int, dim: int) -> Tensor:
    """Sines and cosines of the position in a sequence.

    Entry (p, j) is the sine, for even j, or the cosine, for odd j, of p / 10000^(2·⌊j/2⌋/dim).

    Args:
        count: number of positions; the first is 0.
        dim: channels.

    Returns:
        (1, count, dim), float64.
    """
    positions_n1 = torch.arange(count, dtype=torch.float64)[:, None]
    channels_c = torch.arange(dim)
    exponents_c = 2 * (channels_c // 2).double() / dim
    angles_nc = positions_n1 / 10000.0**exponents_c
    return torch.where(channels_c % 2 == 0, angles_nc.sin(), angles_nc.cos())[None]


def sincos2d_table(height: int, width: int, dim: int, temperature: float = 10000.0) -> Tensor:
    """Sines and cosines of the column and of the row of each token of a grid, in raster order.

    The channels are sin(xω), cos(xω), sin(yω), cos(yω), a quarter each, with x the column, y the row and
    ω_m = temperature^(-m / (dim/4 - 1)) for m below dim/4.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        dim: channels, a multiple of 4.
        temperature: largest wavelength over 2π.

    Returns:
        (1, height·width, dim), float64.

    Raises:
        ValueError: dim is no multiple of 4.
    """
    if dim % 4 or dim <= 0:
        raise ValueError(f"sincos2d_table: dim must be a positive multiple of 4, found {dim}")
    quarter = dim // 4
    steps_m = torch.arange(quarter, dtype=torch.float64) / max(quarter - 1, 1)
    frequencies_m = temperature**-steps_m
    rows_n, columns_n = torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
    x_nm = columns_n.reshape(-1, 1) * frequencies_m
    y_nm = rows_n.reshape(-1, 1) * frequencies_m
    return torch.cat([x_nm.sin(), x_nm.cos(), y_nm.sin(), y_nm.cos()], dim=1)[None]


def resize_grid(
    table_bnc: Tensor, extra: int, old_grid: tuple[int, int], new_grid: tuple[int, int], mode: str = "bicubic"
) -> Tensor:
    """Interpolate a table with one entry per grid cell to another grid, without antialias or aligned corners.

    Args:
        table_bnc: (b, extra + h·w, c), the grid in raster order behind the extra tokens.
        extra: number of tokens in front, which are kept as they are.
        old_grid: (h, w) of the table.
        new_grid: (h, w) of the result.
        mode: as `torch.nn.functional.interpolate` names it: bicubic, bilinear, nearest, …

    Returns:
        (b, extra + h'·w', c) in the table's type; the table itself where the grids agree.

    Raises:
        ValueError: the table does not have extra + h·w entries.
    """
    expected = extra + math.prod(old_grid)
    if table_bnc.shape[1] != expected:
        raise ValueError(
            f"resize_grid: a {old_grid[0]}x{old_grid[1]} grid and {extra} extra tokens need {expected} entries, "
            f"found {table_bnc.shape[1]}"
        )
    if tuple(old_grid) == tuple(new_grid):
        return table_bnc
    return interpolate_grid(table_bnc, extra, old_grid, new_grid, mode)


def interpolate_grid(
    table_bnc: Tensor, extra: int, old_grid: tuple[int, int], new_grid: tuple[int, int], mode: str = "bicubic"
) -> Tensor:
    """As `resize_grid`, without a comparison of lengths, which may be symbols; the same size changes no digit."""
    grid_bchw = table_bnc[:, extra:].transpose(1, 2).unflatten(2, tuple(old_grid))
    aligned = False if mode in ("linear", "bilinear", "bicubic", "trilinear") else None
    # Half types lose digits in the weights of the interpolation, and some devices cannot interpolate them.
    working = grid_bchw if grid_bchw.dtype == torch.float64 else grid_bchw.float()
    resized_bchw = F.interpolate(working, size=tuple(new_grid), mode=mode, align_corners=aligned)
    resized_bnc = resized_bchw.flatten(2).transpose(1, 2).to(table_bnc.dtype)
    return torch.cat([table_bnc[:, :extra], resized_bnc], dim=1)
