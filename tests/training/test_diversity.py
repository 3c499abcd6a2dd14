"""The terms against over-smoothing are the paper's, its authors' and Diverse-ViT's."""

import math
import re

import pytest
import torch
import torch.nn.functional as F

from tests.training.recorded import CASES, assert_is, rnd, soft
from vitdsl.training.boxes import Box, box_mask
from vitdsl.training.diversity import (
    joint_mixing,
    mean_cosine,
    neighbour_contrast,
    patch_contrast,
    patch_cosine,
    patch_mixing,
    pool_region,
    region_mixing,
    unit_contrast,
)
from vitdsl.training.losses import soft_cross_entropy

FIRST, LAST = rnd("h1", 2, 9, 12), rnd("hL", 2, 9, 12)


@pytest.mark.parametrize(("name", "loss"), [
    ("patchdiv_paper_cosine", lambda: patch_cosine(LAST)),
    ("patchdiv_paper_contrastive", lambda: patch_contrast(FIRST, LAST)),
    ("diversevit_repo_cosine", lambda: mean_cosine(LAST)),
    ("diversevit_repo_contrastive", lambda: unit_contrast(FIRST, LAST)),
    ("patchvit_contrastive_repo", lambda: neighbour_contrast(
        rnd("context", 2, 196, 12), rnd("patches", 2, 12, 14, 14).flatten(2).transpose(1, 2), (14, 14),
    )),
])  # fmt: skip
def test_recorded_values(name, loss):
    assert_is(loss(), CASES[name]["value"])


# ---------------------------------------------------------------- cosine


@pytest.mark.parametrize("count", [2, 7])
def test_cosines_of_equal_and_of_orthogonal_patches(count):
    same_bnc, other_bnc = rnd("a", 3, 1, 8).expand(3, count, 8), torch.eye(8, dtype=torch.float64)[None, :count]
    assert_is(patch_cosine(same_bnc), 1.0)
    assert_is(patch_cosine(-same_bnc * torch.tensor([1.0, -1] * 4)[:count, None]), 1.0)
    assert_is(mean_cosine(same_bnc), 1.0)
    assert_is(patch_cosine(other_bnc), 0.0)
    assert_is(mean_cosine(other_bnc), 1 / count)


# ---------------------------------------------------------------- contrast


def test_contrast_is_finite_and_exact_where_products_are_large():
    first_bnc = torch.eye(4, dtype=torch.float64)[None] * 60
    last_bnc = torch.eye(4, dtype=torch.float64)[None].flip(1)
    assert_is(patch_contrast(first_bnc, last_bnc), 20 + math.log1p(math.exp(-20)))


def test_neighbours_are_those_in_the_window():
    """One patch is not zero, and every embedding is 1: which patches have it beside them is seen in the products."""
    last_bchw = torch.zeros(1, 1, 5, 6, dtype=torch.float64)
    last_bchw[0, 0, 2, 1] = 8.0
    last_bnc = last_bchw.flatten(2).transpose(1, 2)
    near_bchw = torch.zeros_like(last_bchw)
    near_bchw[0, 0, 1:4, 0:3] = 1.0
    near_bchw[0, 0, 2, 1] = 0.0
    far_bn = (8 - last_bnc[:, :, 0]) / 29
    products = torch.stack([last_bnc[:, :, 0], far_bn, near_bchw.flatten(1)], dim=2)
    expected = -torch.log(1e-8 + products.softmax(2)[:, :, 0]).mean()
    assert_is(neighbour_contrast(torch.ones_like(last_bnc), last_bnc, (5, 6), window=3), expected.item())


@pytest.mark.parametrize(("loss", "reaches"), [
    (patch_contrast, False), (unit_contrast, True), (lambda e, h: neighbour_contrast(e, h, (3, 3)), False),
])  # fmt: skip
def test_the_first_layer_gets_a_gradient_in_diverse_vit_alone(loss, reaches):
    first_bnc, last_bnc = FIRST.clone().requires_grad_(), LAST.clone().requires_grad_()
    loss(first_bnc, last_bnc).backward()
    assert (first_bnc.grad is not None) == reaches
    assert last_bnc.grad is not None
    assert last_bnc.grad.abs().sum() > 0


# ---------------------------------------------------------------- mixing

LOGITS, INSIDE, OUTSIDE = rnd("z", 2, 9, 10), soft("t1", 2, 10), soft("t2", 2, 10)
MASK = box_mask(Box(0, 1, 2, 3), (3, 3), LOGITS)


def test_each_patch_has_the_label_of_its_image():
    rows = [
        soft_cross_entropy(LOGITS[:, patch], INSIDE if inside else OUTSIDE)
        for patch, inside in enumerate(MASK.tolist())
    ]
    assert_is(patch_mixing(LOGITS, INSIDE, OUTSIDE, MASK), torch.stack(rows).mean().item())


@pytest.mark.parametrize(("mask", "label"), [(0.0, OUTSIDE), (1.0, INSIDE), (0.25, 0.25 * INSIDE + 0.75 * OUTSIDE)])
def test_a_patch_may_be_partly_inside(mask, label):
    expected = soft_cross_entropy(LOGITS.flatten(0, 1), label.repeat_interleave(9, 0))
    assert_is(patch_mixing(LOGITS, INSIDE, OUTSIDE, torch.full((9,), mask)), expected.item())


def test_class_numbers_will_do():
    inside, outside = torch.tensor([3, 1]), torch.tensor([4, 1])
    ones = [F.one_hot(numbers, 10).double() for numbers in (inside, outside)]
    assert_is(patch_mixing(LOGITS, inside, outside, MASK), patch_mixing(LOGITS, *ones, MASK).item())
    assert_is(region_mixing(LOGITS[:, 0], inside, MASK), region_mixing(LOGITS[:, 0], ones[0], MASK).item())


def test_the_class_token_is_one_more_patch():
    class_bk, targets_bk = rnd("c", 2, 10), soft("t", 2, 10)
    all_bnk = torch.cat([class_bk[:, None], LOGITS], dim=1)
    labels_bnk = torch.cat([targets_bk[:, None], torch.where(MASK[:, None] > 0, INSIDE[:, None], OUTSIDE[:, None])], 1)
    expected = soft_cross_entropy(all_bnk.flatten(0, 1), labels_bnk.flatten(0, 1))
    assert_is(joint_mixing(class_bk, LOGITS, targets_bk, INSIDE, OUTSIDE, MASK), expected.item())


def test_a_region_is_pooled():
    inside_nc = LAST[0][MASK > 0]
    assert_is(pool_region(LAST, MASK)[0], (inside_nc.sum(0) / (4 + 1e-4)).tolist())
    assert_is(pool_region(LAST, torch.zeros(9)), torch.zeros(2, 12).tolist())


def test_a_region_counts_by_its_size():
    logits_bk = LOGITS[:, 0]
    divergence = F.kl_div(torch.log(1e-8 + logits_bk.softmax(1)), INSIDE, reduction="batchmean")
    assert_is(region_mixing(logits_bk, INSIDE, MASK), (4 / 9 * divergence).item())
    assert_is(region_mixing(logits_bk, INSIDE, torch.zeros(9)), 0.0)


# ---------------------------------------------------------------- properties


@pytest.mark.parametrize("loss", [
    lambda order: patch_cosine(rnd("a", 5, 4, 3)[order]),
    lambda order: mean_cosine(rnd("a", 5, 4, 3)[order]),
    lambda order: patch_contrast(rnd("a", 5, 4, 3)[order], rnd("b", 5, 4, 3)[order]),
    lambda order: unit_contrast(rnd("a", 5, 4, 3)[order], rnd("b", 5, 4, 3)[order]),
    lambda order: neighbour_contrast(rnd("a", 5, 4, 3)[order], rnd("b", 5, 4, 3)[order], (2, 2)),
    lambda order: patch_mixing(rnd("a", 5, 4, 3)[order], soft("b", 5, 3)[order], soft("c", 5, 3)[order], rnd("m", 4)),
    lambda order: region_mixing(rnd("a", 5, 3)[order], soft("b", 5, 3)[order], torch.ones(4)),
])  # fmt: skip
def test_the_order_of_the_batch_does_not_matter(loss):
    assert_is(loss(torch.tensor([3, 0, 4, 1, 2])), loss(torch.arange(5)).item())


@pytest.mark.parametrize(
    "loss", [patch_cosine, mean_cosine, lambda h: patch_contrast(h, h), lambda h: unit_contrast(h, h)]
)
def test_half_types_are_computed_in_float32(loss):
    half = LAST.bfloat16()
    assert torch.equal(loss(half), loss(half.float()))


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(("call", "message"), [
    (lambda: patch_cosine(LAST[0]), "`last` must be of shape (B, N, C), but is (9, 12)"),
    (lambda: mean_cosine(LAST[:, :1]), "`last` must be of at least 2 patches, but is of 1"),
    (lambda: patch_contrast(FIRST[:, 1:], LAST), "`first` must be of shape (B=2, N=9, C=12), but is (2, 8, 12)"),
    (lambda: unit_contrast(FIRST[:, :, 1:], LAST), "`first` must be of shape (B=2, N=9, C=12), but is (2, 9, 11)"),
    (lambda: neighbour_contrast(FIRST[:1], LAST, (3, 3)),
     "`embedding` must be of shape (B=2, N=9, C=12), but is (1, 9, 12)"),
    (lambda: neighbour_contrast(FIRST, LAST, (3, 4)), "`last` must be of shape (B, N=12, C), but is (2, 9, 12)"),
    (lambda: neighbour_contrast(FIRST, LAST, (3, 3), window=4), "`window` must be odd and at least 3, but is 4"),
    (lambda: patch_mixing(LOGITS, INSIDE, OUTSIDE, MASK[1:]), "`mask` must be of shape (N=9), but is (8,)"),
    (lambda: patch_mixing(LOGITS, INSIDE, OUTSIDE[:1], MASK), "`outside` must be of shape (B=2, K=10), but is (1, 10)"),
    (lambda: joint_mixing(LOGITS[:, 0, 1:], LOGITS, INSIDE, INSIDE, OUTSIDE, MASK),
     "`class_logits` must be of shape (B=2, K=10), but is (2, 9)"),
    (lambda: pool_region(LAST, MASK[None]), "`mask` must be of shape (N=9), but is (1, 9)"),
    (lambda: region_mixing(LOGITS[:, 0], INSIDE, MASK[None]), "`mask` must be of shape (N), but is (1, 9)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
