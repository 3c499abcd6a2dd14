"""Windows of a grid: cut, put back, and who may see whom in them.

Shapes: b batch, n tokens, c channels, h rows and w columns of a map; g windows, which are the fastest part of a batch:
index = image·windows + window, windows and the tokens in them in raster order.

The grid is filled with zeros right and below up to a multiple of the window's size where `pad` says so, then rolled up
and to the left by `shift`. `size` and `shift` are (rows, columns). Without `pad` the windows tile the grid.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lengths import runs_as_written

Pair = tuple[int, int]


def _may_gather(x: Tensor, shift: Pair, pad: bool) -> bool:
    """Whether windows are cut by one gather: up to four times as fast as `roll` and a reshape, where they are rolled.

    What is compiled or exported gets the operators that its compiler can fuse.
    """
    return any(shift) and not pad and runs_as_written(x)


@lru_cache(maxsize=256)
def token_order(height: int, width: int, size: Pair, shift: Pair, device: torch.device, back: bool = False) -> Tensor:
    """Return which token each token of the windows is, int64 (height·width); with `back`, the inverse."""
    with torch.inference_mode(False), torch.no_grad():
        places = torch.arange(height * width, device=device).view(height, width)
        rolled = torch.roll(places, (-shift[0], -shift[1]), (0, 1))
        order = rolled.unflatten(1, (-1, size[1])).unflatten(0, (-1, size[0])).transpose(1, 2).flatten()
        return order.argsort() if back else order


def to_windows(x_bnc: Tensor, height: int, width: int, size: Pair, shift: Pair = (0, 0), pad: bool = False) -> Tensor:
    """Cut tokens (b, height·width, c) into windows (b·windows, h·w, c)."""
    if _may_gather(x_bnc, shift, pad):
        order = token_order(height, width, size, shift, x_bnc.device)
        return x_bnc.index_select(1, order).unflatten(1, (-1, size[0] * size[1])).flatten(0, 1)
    x_bhwc = x_bnc.unflatten(1, (height, width))
    if pad:
        below, right = -height % size[0], -width % size[1]
        x_bhwc = F.pad(x_bhwc, (0, 0, 0, right, 0, below))
    if any(shift):
        x_bhwc = torch.roll(x_bhwc, (-shift[0], -shift[1]), (1, 2))
    batch, height, width, channels = x_bhwc.shape
    (h, w), rows, columns = size, height // size[0], width // size[1]
    tiles = x_bhwc.reshape(batch, rows, h, columns, w, channels).transpose(2, 3)
    return tiles.reshape(batch * rows * columns, h * w, channels)


def from_windows(x_bnc: Tensor, height: int, width: int, size: Pair, shift: Pair = (0, 0), pad: bool = False) -> Tensor:
    """Put windows (b·windows, h·w, c) back to tokens (b, height·width, c): the inverse of `to_windows`."""
    if _may_gather(x_bnc, shift, pad):
        order = token_order(height, width, size, shift, x_bnc.device, back=True)
        return x_bnc.reshape(-1, height * width, x_bnc.shape[2]).index_select(1, order)
    (h, w), rows, columns = size, -(-height // size[0]), -(-width // size[1])
    tiles = x_bnc.unflatten(1, (h, w)).unflatten(0, (-1, rows, columns)).transpose(2, 3)
    x_bhwc = tiles.reshape(tiles.shape[0], rows * h, columns * w, x_bnc.shape[2])
    if any(shift):
        x_bhwc = torch.roll(x_bhwc, shift, (1, 2))
    if pad:
        x_bhwc = x_bhwc[:, :height, :width]
    return x_bhwc.flatten(1, 2)


def map_to_windows(
    x_bchw: Tensor, height: int, width: int, size: Pair, shift: Pair = (0, 0), pad: bool = False
) -> Tensor:
    """Cut a map (b, c, height, width) into windows (b·windows, c, h, w)."""
    if pad:
        x_bchw = F.pad(x_bchw, (0, -width % size[1], 0, -height % size[0]))
    if any(shift):
        x_bchw = torch.roll(x_bchw, (-shift[0], -shift[1]), (2, 3))
    batch, channels, height, width = x_bchw.shape
    (h, w), rows, columns = size, height // size[0], width // size[1]
    tiles = x_bchw.reshape(batch, channels, rows, h, columns, w).permute(0, 2, 4, 1, 3, 5)
    return tiles.reshape(batch * rows * columns, channels, h, w)


def windows_to_map(
    x_bchw: Tensor, height: int, width: int, size: Pair, shift: Pair = (0, 0), pad: bool = False
) -> Tensor:
    """Put windows (b·windows, c, h', w') back to a map: the inverse of `map_to_windows`.

    Args:
        x_bchw: what came out of windows of `size` = (h, w); h' and w' may differ from it.
        height: rows of the map that was cut.
        width: its columns.
        size: of the windows that were cut.
        shift: as they were cut; it is scaled by h'/h and w'/w, which must leave whole numbers.
        pad: as they were cut.

    Returns:
        (b, c, ⌈height·h'/h⌉, ⌈width·w'/w⌉).
    """
    channels, h, w = x_bchw.shape[1:]
    rows, columns = -(-height // size[0]), -(-width // size[1])
    tiles = x_bchw.unflatten(0, (-1, rows, columns)).permute(0, 3, 1, 4, 2, 5)
    y_bchw = tiles.reshape(tiles.shape[0], channels, rows * h, columns * w)
    if any(shift):
        y_bchw = torch.roll(y_bchw, (shift[0] * h // size[0], shift[1] * w // size[1]), (2, 3))
    if pad:
        y_bchw = y_bchw[:, :, : -(-height * h // size[0]), : -(-width * w // size[1])]
    return y_bchw


def window_mask(
    height: int, width: int, size: Pair, shift: Pair = (0, 0), device: torch.device | str | None = None
) -> Tensor:
    """Who may see whom in each window.

    A pair may see each other if nothing lies between them on the grid: what the shift rolled to the other side sees
    only what was rolled with it. Keys that padding filled in are seen by no query of the grid. Such a place sees itself
    alone, so that no row is empty; its output is cut away.

    Returns:
        bool (windows, h·w queries, h·w keys), true where the query may see the key.
    """
    rolled_h, real_h = _places(height, size[0], shift[0], device)
    rolled_w, real_w = _places(width, size[1], shift[1], device)
    region_hw = 2 * rolled_h.long()[:, None] + rolled_w.long()
    real_hw = real_h[:, None] & real_w
    full_h, full_w = region_hw.shape
    region_gn, real_gn = (
        to_windows(x_hw.reshape(1, -1, 1), full_h, full_w, size)[:, :, 0] for x_hw in (region_hw, real_hw)
    )
    seen_gnn = (region_gn[:, :, None] == region_gn[:, None]) & real_gn[:, None]
    itself_nn = torch.eye(size[0] * size[1], dtype=torch.bool, device=device)
    return torch.where(real_gn[:, :, None], seen_gnn, itself_nn)


def _places(count: int, step: int, moved: int, device: torch.device | str | None) -> tuple[Tensor, Tensor]:
    """Along one axis of the rolled grid: what came from the other side, and what padding did not fill in."""
    full = -(-count // step) * step
    place = torch.arange(full, device=device) + moved
    return place >= full, place % full < count


class WindowMask(nn.Module):
    """Holds `window_mask`; made anew where the module is moved, as no checkpoint holds it."""

    mask: Tensor

    def __init__(self, height: int, width: int, size: Pair, shift: Pair = (0, 0)) -> None:
        super().__init__()
        self.grid, self.size, self.shift = (height, width), size, shift
        self.register_buffer("mask", window_mask(height, width, size, shift), persistent=False)

    def forward(self) -> Tensor:
        """Return the mask: bool (windows, h·w, h·w)."""
        return self.mask

    def _apply(self, fn: Any, recurse: bool = True) -> WindowMask:
        before = self.mask
        super()._apply(fn, recurse)
        if self.mask is not before:
            self.mask = window_mask(*self.grid, self.size, self.shift, self.mask.device)
        return self

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"grid={self.grid}, size={self.size}, shift={self.shift}"
