"""Labels of tokens and their loss are the authors'."""

import math
import re

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.recorded import CASES, assert_is, generator, names, rnd, soft
from vitdsl.training.boxes import Box, mix_labels
from vitdsl.training.losses import soft_cross_entropy
from vitdsl.training.token_labels import make_token_labels, pack_scores, token_label_loss, unpack_scores

MADE = names("tokenlabel_target")
LOSSES = [name for name in names("tokenlabel") if name not in MADE and name != "tokenlabel_2d_target"]
CROPS = torch.tensor([[0.1, 0.2, 0.5, 0.6], [0.25, 0.0, 0.75, 0.5]])
WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 2)
NUMBERS = torch.tensor([7, 13])


def labels_bkm() -> Tensor:
    """Those of the recorded losses: the image's own, the class token's, and 16 tokens'."""
    own, taught, tokens = soft("gt", 2, 10), soft("target_cls", 2, 10), soft("target_aux", 2, 16, 10)
    return torch.cat([own[:, :, None], taught[:, :, None], tokens.mT], dim=2)


def packed_b2thw(dtype: torch.dtype = torch.float64) -> Tensor:
    """Scores and class numbers of the recorded labels, of 20 classes."""
    scores = torch.from_numpy(generator("score").standard_normal((2, 5, 18, 18)))
    source = generator("index")
    numbers = np.stack([np.argsort(source.standard_normal((20, 18, 18)), axis=0)[:5] for _ in range(2)])
    return torch.stack([scores, torch.from_numpy(numbers)], dim=1).to(dtype)


# ---------------------------------------------------------------- recorded


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name):
    case = CASES[name]["inputs"]
    loss = token_label_loss(
        rnd("out", 2, 10),
        rnd("aux", 2, 16, 10),
        labels_bkm(),
        Box(*case["box_rows_cols"]),
        class_weight=case["cls_weight"],
        token_weight=case["dense_weight"],
        ground_truth=case["use_ground_truth"],
    )
    assert_is(loss, CASES[name]["value"])


def test_loss_with_a_label_for_all_tokens():
    given = rnd("out", 2, 10), rnd("aux", 2, 16, 10), soft("target_cls", 2, 10)
    found = token_label_loss(*given, Box(1, 0, 3, 2), token_weight=0.5, ground_truth=True)
    assert_is(found, CASES["tokenlabel_2d_target"]["value"])


@pytest.mark.parametrize("name", MADE)
def test_labels_are_made(name):
    """The authors' axes are swapped."""
    case, value = CASES[name]["inputs"], CASES[name]["value"]
    grid = None if case["label_size"] == 1 else (case["label_size"],) * 2
    found = make_token_labels(packed_b2thw(torch.float32), CROPS, NUMBERS, 20, grid, smoothing=0.1, swap_axes=True)
    found = mix_labels(found, case["lam"])
    assert found.dtype == torch.float32
    assert list(found.shape) == value["shape"]
    rows = torch.stack([found[0, 0], found[0, 7]])[:, :20]
    recorded = torch.tensor([value["first_class_row"], value["class7_row"]])
    print(f"largest difference {(rows - recorded).abs().max().item():.1e}")
    torch.testing.assert_close(rows, recorded, rtol=0, atol=1e-6)
    assert math.isclose(found.double().norm().item(), value["norm"], rel_tol=1e-6)


# ---------------------------------------------------------------- the loss


def test_no_box_is_an_empty_one():
    given = rnd("out", 2, 10), rnd("aux", 2, 16, 10), labels_bkm()
    assert_is(token_label_loss(*given), token_label_loss(*given, Box(2, 1, 2, 3)).item())


def test_ground_truth_counts_more_where_the_teacher_agrees():
    labels = torch.zeros(2, 3, 3, dtype=torch.float64)
    labels[0, 0, 0] = labels[0, 0, 1] = labels[1, 0, 0] = labels[1, 2, 1] = 1
    labels[0, :, 1] = torch.tensor([0.6, 0.4, 0], dtype=torch.float64)
    logits_bk, tokens_bnk = rnd("a", 2, 3), rnd("b", 2, 1, 3)
    expected = soft_cross_entropy(logits_bk, torch.tensor([[0.8, 0.2, 0], [0.1, 0, 0.9]], dtype=torch.float64))
    assert_is(token_label_loss(logits_bk, tokens_bnk, labels, token_weight=0, ground_truth=True), expected.item())


@pytest.mark.parametrize("box", [None, Box(1, 0, 3, 2)])
def test_the_order_of_the_batch_may_be_reversed(box):
    """A box pairs images, so that any other order would pair others."""
    given = rnd("a", 4, 10), rnd("b", 4, 16, 10), soft("c", 4, 18, 10).mT
    turned = [each.flip(0) for each in given]
    assert_is(token_label_loss(*turned, box), token_label_loss(*given, box).item())


# ---------------------------------------------------------------- scores


def test_packed_scores_are_the_best_of_each_position():
    logits_bkhw = rnd("a", 2, 30, 4, 3)
    packed = pack_scores(logits_bkhw)
    assert packed.shape == (2, 2, 5, 4, 3)
    assert packed.dtype == torch.float16
    assert torch.equal(packed[:, 1, 0].long(), logits_bkhw.argmax(1))
    dense = unpack_scores(packed, 30)
    kept = dense != 0
    assert torch.equal(kept.sum(1), torch.full((2, 4, 3), 5))
    assert torch.equal(dense[kept], logits_bkhw.half().float()[kept])


def test_all_numbers_of_the_most_classes_are_kept():
    logits_bkhw = torch.arange(2049.0)[None, :, None, None]
    assert unpack_scores(pack_scores(logits_bkhw, 1), 2049).argmax(1).item() == 2048


# ---------------------------------------------------------------- labels


def uneven() -> Tensor:
    """Scores of 3 classes on 4 × 8 positions: the row, the column and a constant."""
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(8.0), indexing="ij")
    scores = torch.stack([rows, columns, torch.full((4, 8), 3.0)])
    numbers = torch.arange(3.0)[:, None, None].expand(3, 4, 8)
    return torch.stack([scores, numbers])[None].double()


def logits_of(crop: list[float], grid: tuple[int, int], **options: bool | Tensor) -> Tensor:
    """Rows and columns at which labels were taken, (2, h, w), from log-ratios with the constant class."""
    labels = make_token_labels(uneven(), torch.tensor([crop]), torch.tensor([0]), 3, grid, smoothing=0.0, **options)[
        0, :, 2:
    ]
    return (labels.log() - labels[2].log())[:2].unflatten(1, grid) + 3


def test_a_crop_reads_its_own_rows_and_columns():
    """Positions are at the middles of their cells, in maps of any shape."""
    found = logits_of([0.25, 0.5, 0.5, 0.5], (2, 4))
    expected = torch.stack(torch.meshgrid(torch.arange(1.0, 3), torch.arange(4.0, 8), indexing="ij")).double()
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


def test_swapped_axes_take_the_crop_for_another():
    crop = [0.25, 0.5, 0.5, 0.25]
    turned = [crop[1], crop[0], crop[3], crop[2]]
    assert torch.equal(logits_of(crop, (2, 2), swap_axes=True), logits_of(turned, (2, 2)))


def test_an_image_is_flipped_before_it_is_cropped():
    flipped = logits_of([0.25, 0.5, 0.5, 0.5], (2, 4), flipped_b=torch.tensor([True]))
    assert torch.allclose(flipped[1, 0], torch.arange(3.0, -1, -1).double(), rtol=0, atol=1e-12)
    assert torch.allclose(flipped[0, :, 0], torch.arange(1.0, 3).double(), rtol=0, atol=1e-12)


def test_each_image_is_flipped_for_itself():
    options = {"labels_b": NUMBERS, "classes": 20, "grid": (3, 3)}
    plain, both, one = (
        make_token_labels(packed_b2thw(), WHOLE, **options, flipped_b=torch.tensor(flags))
        for flags in ([False, False], [True, True], [False, True])
    )
    assert torch.equal(plain, make_token_labels(packed_b2thw(), WHOLE, **options))
    assert torch.equal(one, torch.stack([plain[0], both[1]]))
    grids = (each[:, :, 2:].unflatten(2, (3, 3)) for each in (plain, both))
    assert torch.allclose(next(grids).flip(3), next(grids), rtol=0, atol=1e-12)


def test_labels_are_distributions_but_for_the_smoothing():
    plain = make_token_labels(packed_b2thw(), CROPS, NUMBERS, 20, (2, 2), smoothing=0.0)
    smooth = make_token_labels(packed_b2thw(), CROPS, NUMBERS, 20, (2, 2))
    assert torch.allclose(plain.sum(1), torch.ones(2, 6).double(), rtol=0, atol=1e-12)
    sums_m = torch.tensor([1.0] + [1 + 0.1 / 20] * 5, dtype=torch.float64)
    assert torch.allclose(smooth.sum(1), sums_m.expand(2, 6), rtol=0, atol=1e-12)
    assert smooth[:, :, 0].argmax(1).tolist() == [7, 13]


# ---------------------------------------------------------------- errors

LOGITS, TOKENS, LABELS = torch.zeros(2, 10), torch.zeros(2, 16, 10), torch.zeros(2, 10, 18)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: token_label_loss(LOGITS[0], TOKENS, LABELS), "`class_logits` must be of shape (B, K), but is (10,)"),
    (lambda: token_label_loss(LOGITS, TOKENS[:1], LABELS),
     "`token_logits` must be of shape (B=2, N, K=10), but is (1, 16, 10)"),
    (lambda: token_label_loss(LOGITS, TOKENS, LABELS[:, :, 2:]),
     "`labels` must be of shape (B=2, K=10, M=18), but is (2, 10, 16)"),
    (lambda: token_label_loss(LOGITS, TOKENS, LOGITS[:, :9]), "`labels` must be of shape (B=2, K=10), but is (2, 9)"),
    (lambda: token_label_loss(LOGITS, TOKENS, LABELS, Box(0, 0, 5, 4)),
     "`box` must have at most as many tokens as there are, 16, but has 20"),
    (lambda: pack_scores(LOGITS), "`logits` must be of shape (B, K, H, W), but is (2, 10)"),
    (lambda: pack_scores(torch.zeros(1, 4, 2, 2)), "`count` must be from 1 to the number of classes, 4, but is 5"),
    (lambda: pack_scores(torch.zeros(1, 2050, 1, 1)),
     "`logits` must be of at most 2049 classes, as float16 tells no more, but are of 2050"),
    (lambda: unpack_scores(torch.zeros(1, 3, 5, 2, 2), 10),
     "`packed` must be of shape (B, 2, T, H, W), but is (1, 3, 5, 2, 2)"),
    (lambda: unpack_scores(packed_b2thw(), 19),
     "`packed[:, 1]` must be class numbers from 0 to 18, but are from 0 to 19"),
    (lambda: make_token_labels(packed_b2thw(), CROPS[:1], NUMBERS, 20, (2, 2)),
     "`crops` must be of shape (B=2, 4), but is (1, 4)"),
    (lambda: make_token_labels(packed_b2thw(), CROPS, NUMBERS[:1], 20, (2, 2)),
     "`labels` must be of shape (B=2), but is (1,)"),
    (lambda: make_token_labels(packed_b2thw(), CROPS, torch.tensor([7, 20]), 20, (2, 2)),
     "`labels` must be class numbers from 0 to 19, but are from 7 to 20"),
    (lambda: make_token_labels(packed_b2thw(), CROPS, NUMBERS, 20, (2, 2), flipped_b=torch.zeros(1)),
     "`flipped` must be of shape (B=2), but is (1,)"),
    (lambda: make_token_labels(packed_b2thw(), CROPS, NUMBERS, 20, (2, 2), smoothing=-1.0),
     "`smoothing` must be from 0 to 1, but is -1.0"),
    (lambda: make_token_labels(packed_b2thw(), CROPS, NUMBERS, 20, (0, 2)),
     "`grid` must be rows and columns of at least 1, but is (0, 2)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
