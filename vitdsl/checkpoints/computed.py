"""Buffers of other people's checkpoints that follow from shapes, to be written when weights go back to them.

Each function takes one of our tensors (for its dtype, device and sizes) and the `args` of the table's row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


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
    count = len(away)
    index = away[:, None, :, None] * side + away[None, :, None, :]
    return index.reshape(count**2, side**2)


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "relative_position_index": relative_position_index,
    "shifted_window_mask": shifted_window_mask,
    "offset_bias_index": offset_bias_index,
}
