"""Boxes are drawn as published; what is mixed comes back."""

import math
import re

import numpy as np
import pytest
import torch

from tests.training.recorded import assert_is, rnd, soft
from vitdsl.training.boxes import (
    Box,
    box_mask,
    draw_box,
    draw_patch_box,
    mix_labels,
    mix_outside,
    share_of,
    swap_box,
    swap_tokens,
)

BOX, GRID = Box(1, 0, 3, 4), (4, 6)
MAP = rnd("x", 5, 3, 4, 6)


class Fixed(np.random.Generator):
    """Gives a λ, then whole numbers from a list; keeps what these were drawn from."""

    def __init__(self, ratio: float, *numbers: int) -> None:
        super().__init__(np.random.PCG64(0))
        self.ratio, self.numbers, self.ranges = ratio, list(numbers), []

    def beta(self, a, b, size=None):
        return self.ratio

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):
        low, high = (0, low) if high is None else (low, high)
        self.ranges.append((low, high if endpoint else high - 1))
        return self.numbers.pop(0)


# ---------------------------------------------------------------- drawing


@pytest.mark.parametrize(("ratio", "centre", "box"), [
    (0.75, (7, 7), Box(4, 4, 10, 10)),  # sides of 7, which reach 3 each way
    (0.7, (7, 7), Box(4, 4, 10, 10)),  # of 7.7
    (0.75, (0, 13), Box(0, 10, 3, 14)),
    (0.0, (0, 0), Box(0, 0, 7, 7)),
    (0.0, (7, 7), Box(0, 0, 14, 14)),
    (1.0, (3, 4), Box(3, 4, 3, 4)),
])  # fmt: skip
def test_the_box_of_mix_token(ratio, centre, box):
    source = Fixed(ratio, *centre)
    assert draw_box((14, 14), source) == box
    assert source.ranges == [(0, 13), (0, 13)]


@pytest.mark.parametrize(("ratio", "drawn", "ranges", "box"), [
    (0.5, (1, 2, 0), [(1, 6), (0, 4), (0, 0)], Box(2, 0, 5, 7)),  # 24 of 49: 1 row has 7 of them, so there are 3
    (0.5, (4, 2, 1), [(1, 6), (0, 3), (0, 1)], Box(2, 1, 6, 7)),
    (0.07, (1, 6, 2), [(1, 2), (0, 6), (0, 4)], Box(6, 2, 7, 5)),
    (0.03, (1, 3, 3), [(1, 1), (0, 6), (0, 6)], Box(3, 3, 4, 4)),
    (0.0, (1, 3, 7), [(1, 1), (0, 6), (0, 7)], Box(3, 7, 4, 7)),
])  # fmt: skip
def test_the_box_of_patch_mixing(ratio, drawn, ranges, box):
    source = Fixed(ratio, *drawn)
    assert draw_patch_box((7, 7), source) == box
    assert source.ranges == ranges


@pytest.mark.parametrize("draw", [draw_box, draw_patch_box])
@pytest.mark.parametrize("make", [np.random.default_rng, lambda seed: torch.Generator().manual_seed(seed)])
def test_boxes_are_in_the_grid_and_drawn_again(draw, make):
    source, again = make(1), make(1)
    boxes = [draw((5, 9), source) for _ in range(200)]
    assert boxes == [draw((5, 9), again) for _ in range(200)]
    assert len(set(boxes)) > 50
    shares = [share_of(box, (5, 9)) for box in boxes]
    assert min(shares) < 0.1
    assert max(shares) > 0.5


def test_alpha_says_how_even_the_shares_are():
    even, uneven = (
        np.std([draw_box((32, 32), np.random.default_rng(seed), alpha).area for seed in range(200)])
        for alpha in (20.0, 0.1)
    )
    assert uneven > 2 * even


# ---------------------------------------------------------------- boxes


def test_a_mask_is_its_box():
    mask_n = box_mask(BOX, GRID, MAP)
    assert mask_n.dtype == MAP.dtype
    assert_is(mask_n.mean(), share_of(BOX, GRID))
    assert mask_n.reshape(GRID)[1:3, 0:4].eq(1).all()
    assert share_of(Box(2, 3, 2, 5), GRID) == 0
    assert share_of(Box(0, 0, *GRID), GRID) == 1


# ---------------------------------------------------------------- mixing


def test_tokens_in_the_box_are_those_of_the_reversed_batch():
    mixed = swap_box(MAP, BOX)
    inside = box_mask(BOX, GRID, MAP).reshape(GRID) > 0
    assert torch.equal(mixed, torch.where(inside, MAP.flip(0), MAP))
    tokens = MAP.flatten(2).transpose(1, 2)
    assert torch.equal(swap_tokens(tokens, GRID, BOX), mixed.flatten(2).transpose(1, 2))


@pytest.mark.parametrize("box", [Box(0, 0, 0, 0), Box(2, 1, 2, 6), Box(0, 3, 4, 3)])
def test_an_empty_box_is_the_identity(box):
    assert torch.equal(swap_box(MAP, box), MAP)
    assert torch.equal(mix_labels(soft("t", 5, 10), 1 - share_of(box, GRID)), soft("t", 5, 10))


@pytest.mark.parametrize("box", [BOX, Box(0, 0, *GRID), Box(3, 5, 4, 6)])
def test_swapping_twice_is_the_identity(box):
    assert torch.equal(swap_box(swap_box(MAP, box), box), MAP)
    tokens = rnd("t", 5, 24, 7)
    assert torch.equal(swap_tokens(swap_tokens(tokens, GRID, box), GRID, box), tokens)


def test_logits_go_back_to_their_images():
    """What is computed token by token is what the unmixed tokens give."""
    weight = rnd("w", 3, 7)
    mixed = swap_box(MAP, BOX).flatten(2).transpose(1, 2)
    expected = MAP.flatten(2).transpose(1, 2) @ weight
    assert torch.allclose(swap_tokens(mixed @ weight, GRID, BOX), expected, rtol=0, atol=1e-12)


def test_the_gradient_goes_where_tokens_went():
    x = MAP.clone().requires_grad_()
    swap_box(x, BOX)[0].sum().backward()
    inside = box_mask(BOX, GRID, MAP).reshape(GRID).expand(3, 4, 6)
    assert x.grad is not None
    assert torch.equal(x.grad[4], inside)
    assert torch.equal(x.grad[0], 1 - inside)
    assert not x.grad[1:4].any()


def test_labels_are_mixed_with_the_reversed_batch():
    labels = soft("t", 4, 10)
    assert torch.equal(mix_labels(labels, 0.0), labels.flip(0))
    assert_is(mix_labels(labels, 0.3)[0], (0.3 * labels[0] + 0.7 * labels[3]).tolist())
    assert torch.equal(mix_labels(labels[:, :, None], 0.3)[:, :, 0], mix_labels(labels, 0.3))


def test_images_are_mixed_patch_by_patch():
    images, order = rnd("i", 3, 2, 8, 12), torch.tensor([2, 0, 1])
    mixed = mix_outside(images, order, GRID, BOX)
    assert torch.equal(mixed[:, :, 2:6, 0:8], images[:, :, 2:6, 0:8])
    assert torch.equal(mixed[:, :, :2], images[order][:, :, :2])
    assert torch.equal(mixed[:, :, :, 8:], images[order][:, :, :, 8:])
    assert torch.equal(mix_outside(images, order, GRID, Box(0, 0, *GRID)), images)
    assert torch.equal(mix_outside(images, order, GRID, Box(1, 1, 1, 1)), images[order])
    assert torch.equal(images, rnd("i", 3, 2, 8, 12))


# ---------------------------------------------------------------- errors

SOURCE = np.random.default_rng(0)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: draw_box((0, 3), SOURCE), "`grid` must be rows and columns of at least 1, but is (0, 3)"),
    (lambda: draw_patch_box((3, 0), SOURCE), "`grid` must be rows and columns of at least 1, but is (3, 0)"),
    (lambda: draw_box((3, 3), SOURCE, alpha=0.0), "`alpha` must be above 0, but is 0.0"),
    (lambda: share_of(Box(0, 0, 5, 1), GRID), "`box` must be in the grid (4, 6), but is rows 0:5, columns 0:1"),
    (lambda: box_mask(Box(2, 0, 1, 1), GRID, MAP), "`box` must be in the grid (4, 6), but is rows 2:1, columns 0:1"),
    (lambda: swap_box(MAP, Box(0, -1, 1, 1)), "`box` must be in the grid (4, 6), but is rows 0:1, columns -1:1"),
    (lambda: swap_box(MAP[0], BOX), "`x` must be of shape (B, C, H, W), but is (3, 4, 6)"),
    (lambda: swap_tokens(torch.zeros(2, 25, 7), GRID, BOX), "`x` must be of shape (B, N=24, C), but is (2, 25, 7)"),
    (lambda: mix_labels(torch.zeros(4), 0.5), "`labels` must be of shape (B, K), but is (4,)"),
    (lambda: mix_labels(torch.zeros(4, 10), math.nan), "`share` must be from 0 to 1, but is nan"),
    (lambda: mix_outside(torch.zeros(2, 3, 8, 13), torch.arange(2), GRID, BOX),
     "`images` must have sides that are multiples of the grid (4, 6), but are (8, 13)"),
    (lambda: mix_outside(torch.zeros(2, 3, 8, 12), torch.arange(3), GRID, BOX),
     "`order` must be of shape (B=2), but is (3,)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
