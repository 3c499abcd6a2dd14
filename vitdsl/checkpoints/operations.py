"""What rows do to tensors: join, order, per_head, pattern and split, there and back; and buffers that they compute."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from vitdsl.checkpoints.keys import number

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.checkpoints.rows import Move

GRID = ("height", "width")
"""Axes of a pattern that are the grid of our tensor, where `sizes` does not give them."""


def forward(row: Move, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Theirs to ours; raises ValueError where the sizes do not allow it."""
    x = _join(tensors, row.sections) if len(row.from_) > 1 else tensors[0]
    x = _reorder(x, row.order) if row.order else x
    x = _parts_first(x, row) if row.per_head else x
    x = _rearrange(x, row.pattern, _sizes(row)) if row.pattern else x
    return _split(x, row.sections) if len(row.to) > 1 else [x]


def backward(row: Move, tensors: Sequence[Tensor], grid: tuple[int, ...] | None = None) -> list[Tensor]:
    """Ours to theirs; raises ValueError where the sizes do not allow it.

    Args:
        row: what is done, from theirs to ours.
        tensors: ours.
        grid: that ours is a table of, if it is one.
    """
    x = _join(tensors, row.sections) if len(row.to) > 1 else tensors[0]
    if row.pattern:
        theirs, ours = row.pattern.split("->")
        axes = set(re.findall(r"[a-z_]\w*", row.pattern)).intersection(GRID) - row.sizes.keys()
        sizes = {axis: size for axis, size in zip(GRID, grid or (), strict=False) if axis in axes}
        x = _rearrange(x, f"{ours} -> {theirs}", {**_sizes(row), **sizes})
    x = _heads_first(x, row) if row.per_head else x
    if row.order:
        x = _reorder(x, sorted(range(len(row.order)), key=row.order.__getitem__))
    return _split(x, row.sections) if len(row.from_) > 1 else [x]


def grid_in(row: Move, theirs: Tensor) -> tuple[int, int] | None:
    """The grid of our table, where their tensor has its height and width as axes of their own."""
    axes = row.pattern.split("->")[0].split() if row.pattern else []
    if len(axes) != theirs.ndim or not set(GRID).issubset(axes):
        return None
    height, width = (theirs.shape[axes.index(axis)] for axis in GRID)
    return height, width


def _sizes(row: Move) -> dict[str, int]:
    return {axis: number(size, row.known) for axis, size in row.sizes.items()}


def _lengths(total: int, parts: Sequence[int]) -> list[int]:
    unit, rest = divmod(total, sum(parts))
    if rest:
        raise ValueError(f"{total} rows cannot be parted as {':'.join(map(str, parts))}")
    return [unit * part for part in parts]


def _join(tensors: Sequence[Tensor], parts: Sequence[int]) -> Tensor:
    import torch

    rows = [len(tensor) if tensor.ndim else 0 for tensor in tensors]
    if 0 in rows or rows != _lengths(sum(rows), parts):
        raise ValueError(f"sections of {_and(rows)} rows are not as {':'.join(map(str, parts))}")
    if len({(tensor.shape[1:], tensor.dtype) for tensor in tensors}) > 1:
        found = _and([f"{list(tensor.shape)} {tensor.dtype}" for tensor in tensors])
        raise ValueError(f"the sections differ in more than their first size: {found}")
    return torch.cat(list(tensors))


def _split(x: Tensor, parts: Sequence[int]) -> list[Tensor]:
    return list(x.split(_lengths(_rows(x), parts)))


def _reorder(x: Tensor, order: Sequence[int]) -> Tensor:
    import torch

    sections = _split(x, (1,) * len(order))
    return torch.cat([sections[index] for index in order])


def _head_widths(rows: int, row: Move) -> tuple[int, list[int]]:
    """How many heads, and the widths of the parts in each."""
    assert row.per_head is not None
    parts = [number(part, row.known) for part in row.per_head.parts]
    if row.per_head.heads is None:
        heads, rest = divmod(rows, sum(parts))
        if rest:
            raise ValueError(f"{rows} rows are not heads of {sum(parts)}")
        return heads, parts
    heads = number(row.per_head.heads, row.known)
    if rows % heads:
        raise ValueError(f"{rows} rows are not {heads} heads")
    return heads, _lengths(rows // heads, parts)


def _parts_first(x: Tensor, row: Move) -> Tensor:
    import torch

    heads, widths = _head_widths(_rows(x), row)
    parts = x.unflatten(0, (heads, sum(widths))).split(widths, dim=1)
    return torch.cat([part.flatten(0, 1) for part in parts])


def _heads_first(x: Tensor, row: Move) -> Tensor:
    import torch

    heads, widths = _head_widths(_rows(x), row)
    parts = x.split([heads * width for width in widths])
    return torch.cat([part.unflatten(0, (heads, -1)) for part in parts], dim=1).flatten(0, 1)


def _rearrange(x: Tensor, pattern: str, sizes: Mapping[str, int]) -> Tensor:
    from einops import EinopsError, rearrange

    try:
        return rearrange(x, pattern, **sizes)
    except EinopsError as error:
        reason = str(error).strip().splitlines()[-1].strip(" .")
        raise ValueError(f"`{pattern.strip()}` does not fit the shape {list(x.shape)}: {reason}") from error


def _rows(x: Tensor) -> int:
    if x.ndim == 0:
        raise ValueError("a scalar has no rows to part")
    return len(x)


def _and(values: Sequence[object]) -> str:
    return " and ".join(map(str, values))


# ---------------------------------------------------------------- buffers of theirs that follow from shapes
# Each takes one of our tensors (for its dtype, device and sizes) and the `args` of the row.


def relative_position_index(table: Tensor, flat: int = 0) -> Tensor:
    """Rows of a ((2w - 1)², heads) table for all pairs of a w by w window, (w², w²) or, `flat`, (w⁴): Swin's index."""
    import torch

    side = math.isqrt(len(table))
    window = (side + 1) // 2
    rows, columns = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    down = rows.reshape(-1, 1) - rows.reshape(1, -1) + window - 1
    right = columns.reshape(-1, 1) - columns.reshape(1, -1) + window - 1
    index = down * side + right
    return index.flatten() if flat else index


def shifted_window_mask(table: Tensor, grid: int, shift: int) -> Tensor:
    """0 or -100 for all pairs of each window of a rolled grid, (windows, w², w²): Swin's mask.

    Pixels see each other when they came from the same side of the border that the roll moved inwards.
    """
    import torch

    window = (math.isqrt(len(table)) + 1) // 2
    place = torch.arange(grid)
    strip = (place >= grid - window).long() + (place >= grid - shift).long()
    region = 3 * strip[:, None] + strip[None, :]
    across = grid // window
    region = region.reshape(across, window, across, window).transpose(1, 2).reshape(across**2, window**2)
    differ = region[:, None, :] != region[:, :, None]
    return torch.where(differ, -100.0, 0.0).to(table.dtype)


def offset_bias_index(biases: Tensor, stride: int = 1) -> Tensor:
    """Columns of a (heads, side²) table for the offsets (|dy|, |dx|) of queries and keys: LeViT's index.

    Queries stand at every `stride`-th place of the keys' grid.
    """
    import torch

    side = math.isqrt(biases.shape[1])
    keys = torch.arange(side)
    away = (keys[::stride, None] - keys[None, :]).abs()
    index = away[:, None, :, None] * side + away[None, :, None, :]
    return index.reshape(len(away) ** 2, side**2)


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    function.__name__: function for function in (relative_position_index, shifted_window_mask, offset_bias_index)
}
