"""Boxes on the grid of tokens: how they are drawn, and how they mix images, tokens and labels.

Shapes: b images, c channels, h rows and w columns of a map, n tokens row by row, k classes, m labels of an image.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vitdsl.training.shapes import check_shape, check_share

Randomness = np.random.Generator | torch.Generator
Grid = tuple[int, int]
"""Rows and columns."""


class Box(NamedTuple):
    """Rows from `top` to before `bottom`, columns from `left` to before `right`, in tokens."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def area(self) -> int:
        """How many tokens are inside."""
        return (self.bottom - self.top) * (self.right - self.left)


# ---------------------------------------------------------------- drawing


def draw_box(grid: Grid, generator: Randomness, alpha: float = 1.0) -> Box:
    """Draws the box of MixToken, which is CutMix's on the grid of tokens.

    λ is drawn from Beta(α, α), the centre from all tokens alike. The box reaches ⌊side/2⌋ from its centre each way,
    where the sides are ⌊H √(1 − λ)⌋ and ⌊W √(1 − λ)⌋, and is clipped at the rims. So its share is not 1 − λ: see
    `share_of`.

    Source: Token Labeling, arXiv 2104.10858; CutMix, arXiv 1905.04899.

    Args:
        grid: rows and columns, in tokens.
        generator: numpy's or torch's.
        alpha: α, above 0.

    Raises:
        ValueError: a grid without tokens, or `alpha` is not positive.
    """
    check_grid(grid)
    if alpha <= 0:
        raise ValueError(f"`alpha` must be above 0, but is {alpha}")
    source = _numpy(generator)
    scale = math.sqrt(1 - source.beta(alpha, alpha))
    spans = []
    for length in grid:
        reach, centre = int(length * scale) // 2, int(source.integers(length))
        spans.append((max(centre - reach, 0), min(centre + reach, length)))
    (top, bottom), (left, right) = spans
    return Box(top, left, bottom, right)


def draw_patch_box(grid: Grid, generator: Randomness) -> Box:
    """Draws the box with which the authors of patch diversification mix images once more, patch by patch.

    λ is drawn from Beta(1, 1) and gives A = ⌊H·W·λ⌋ patches. The rows are drawn from 1 to max(1, min(H, A) − 1), the
    columns are ⌊A / rows⌋; where these are more than W they become W, and the rows ⌊A / W⌋. The place is drawn from all
    at which the box is inside. With A = 0 the box is empty.

    Source: the code of arXiv 2104.12753, which knows square grids alone.

    Args:
        grid: rows and columns, in patches.
        generator: numpy's or torch's.

    Raises:
        ValueError: a grid without patches.
    """
    check_grid(grid)
    source = _numpy(generator)
    height, width = grid
    area = int(height * width * source.beta(1.0, 1.0))
    rows = int(source.integers(1, max(1, min(height, area) - 1), endpoint=True))
    columns = area // rows
    if columns > width:
        rows, columns = area // width, width
    top = int(source.integers(height - rows, endpoint=True))
    left = int(source.integers(width - columns, endpoint=True))
    return Box(top, left, top + rows, left + columns)


def _numpy(generator: Randomness) -> np.random.Generator:
    """Numpy's generator; torch's seeds one, and is advanced by one number."""
    if isinstance(generator, np.random.Generator):
        return generator
    seed = torch.randint(2**63 - 1, (), generator=generator, device=generator.device)
    return np.random.default_rng(int(seed.item()))


# ---------------------------------------------------------------- boxes


def share_of(box: Box, grid: Grid) -> float:
    """The share of tokens inside, from 0 to 1; MixToken's λ is 1 less this.

    Raises:
        ValueError: the box is not in the grid.
    """
    check_box(box, grid)
    return box.area / (grid[0] * grid[1])


def box_mask(box: Box, grid: Grid, like: Tensor) -> Tensor:
    """1 inside, 0 outside, (N,) row by row.

    Args:
        box: in tokens.
        grid: rows and columns.
        like: a floating tensor of the type and device that the mask shall have.

    Raises:
        ValueError: the box is not in the grid.
    """
    check_box(box, grid)
    mask_hw = like.new_zeros(grid)
    mask_hw[box.top : box.bottom, box.left : box.right] = 1
    return mask_hw.flatten()


def check_box(box: Box, grid: Grid) -> None:
    """Refuses a box that is not in the grid.

    Raises:
        ValueError: it is not, or the grid has no tokens.
    """
    check_grid(grid)
    if not (0 <= box.top <= box.bottom <= grid[0] and 0 <= box.left <= box.right <= grid[1]):
        found = f"rows {box.top}:{box.bottom}, columns {box.left}:{box.right}"
        raise ValueError(f"`box` must be in the grid {tuple(grid)}, but is {found}")


def check_grid(grid: Grid) -> None:
    """Refuses a grid without tokens.

    Raises:
        ValueError: it has none.
    """
    if min(grid) < 1:
        raise ValueError(f"`grid` must be rows and columns of at least 1, but is {tuple(grid)}")


# ---------------------------------------------------------------- mixing


def swap_box(x_bchw: Tensor, box: Box) -> Tensor:
    """MixToken: inside the box, image b gets the tokens of image B − 1 − b. Twice it is the identity.

    It stands behind the stem, before the class token and the positions.

    Source: Token Labeling, arXiv 2104.10858.

    Args:
        x_bchw: a map, (B, C, H, W).
        box: one for the whole batch, in tokens.

    Returns:
        (B, C, H, W), another tensor.

    Raises:
        ValueError: it is no map, or the box is not in it.
    """
    check_shape("x", x_bchw, "B C H W")
    check_box(box, (x_bchw.shape[2], x_bchw.shape[3]))
    inside = (..., slice(box.top, box.bottom), slice(box.left, box.right))
    mixed_bchw = x_bchw.clone()
    mixed_bchw[inside] = x_bchw[inside].flip(0)
    return mixed_bchw


def swap_tokens(x_bnc: Tensor, grid: Grid, box: Box) -> Tensor:
    """`swap_box` for tokens of a grid; it also puts the logits of mixed tokens back to the images they are of.

    Args:
        x_bnc: tokens or their logits, (B, N, C), row by row, without extra tokens.
        grid: rows and columns, of N tokens together.
        box: that of the tokens.

    Returns:
        (B, N, C), another tensor.

    Raises:
        ValueError: there are not as many tokens, or the box is not in the grid.
    """
    check_shape("x", x_bnc, "B N C", None, grid[0] * grid[1], None)
    x_bchw = x_bnc.transpose(1, 2).unflatten(2, grid)
    return swap_box(x_bchw, box).flatten(2).transpose(1, 2)


def mix_labels(labels: Tensor, share: float) -> Tensor:
    """Labels of images that were mixed with the batch in reverse: λ t_b + (1 − λ) t_{B−1−b}.

    Source: mixup, arXiv 1710.09412.

    Args:
        labels: (B, K), or (B, K, M) with labels of tokens.
        share: λ, the share of image b, from 0 to 1.

    Returns:
        As the labels.

    Raises:
        ValueError: other shapes, or λ is no share.
    """
    if labels.ndim != 3:
        check_shape("labels", labels, "B K")
    check_share("share", share)
    return share * labels + (1 - share) * labels.flip(0)


def mix_outside(images_bchw: Tensor, order_b: Tensor, grid: Grid, box: Box) -> Tensor:
    """Outside of the box, image b gets what image `order[b]` has there; with a box of all patches it is the identity.

    Its labels are r·y_b + (1 − r)·y_order[b], where r is `share_of` the box.

    Source: the code of arXiv 2104.12753.

    Args:
        images_bchw: (B, C, H, W).
        order_b: a permutation of the batch, (B,).
        grid: rows and columns of patches, of which the image's sides are multiples.
        box: in patches.

    Returns:
        (B, C, H, W), another tensor.

    Raises:
        ValueError: other shapes, patches that do not fill the image, or a box that is not in the grid.
    """
    check_shape("images", images_bchw, "B C H W")
    check_shape("order", order_b, "B", images_bchw.shape[0])
    check_box(box, grid)
    size = (images_bchw.shape[2], images_bchw.shape[3])
    if size[0] % grid[0] or size[1] % grid[1]:
        raise ValueError(f"`images` must have sides that are multiples of the grid {tuple(grid)}, but are {size}")
    height, width = size[0] // grid[0], size[1] // grid[1]
    inside = (..., slice(box.top * height, box.bottom * height), slice(box.left * width, box.right * width))
    mixed_bchw = images_bchw[order_b]
    mixed_bchw[inside] = images_bchw[inside]
    return mixed_bchw
