"""Losses of logits are the authors'; teachers get no gradient; other shapes are refused."""

import math
import re

import pytest
import torch
import torch.nn.functional as F

from tests.training import recorded
from tests.training.recorded import CASES, assert_is, names, rnd, soft
from vitdsl.training.losses import (
    attention_cosine,
    binary_cross_entropy,
    hard_distillation,
    soft_cross_entropy,
    soft_distillation,
    soft_targets,
)


def test_every_recorded_case_is_compared():
    prefixes = tuple(recorded.GROUPS)
    assert [name for name in CASES if not name.startswith(prefixes)] == []
    assert all(names(prefix) for prefix in prefixes)


@pytest.mark.parametrize("name", names("deit"))
def test_deit(name):
    case = CASES[name]["inputs"]
    class_bk, student_bk, teacher_bk = (rnd(key, 4, 10) for key in ("cls", "kd", "teacher"))
    if isinstance(case["targets"], list):
        base = soft_cross_entropy(class_bk, torch.tensor(case["targets"]), smoothing=0.1)
    else:
        base = soft_cross_entropy(class_bk, soft("soft_labels", 4, 10))
    if case["kind"] == "none":
        return assert_is(base, CASES[name]["value"])
    if case["kind"] == "soft":
        taught = soft_distillation(student_bk, teacher_bk, case["tau"])
    else:
        taught = hard_distillation(student_bk, teacher_bk)
    assert_is((1 - case["alpha"]) * base + case["alpha"] * taught, CASES[name]["value"])


def test_soft_targets_of_token_labeling():
    assert_is(soft_cross_entropy(rnd("out", 2, 10), soft("target_cls", 2, 10)), CASES["soft_target_ce"]["value"])


@pytest.mark.parametrize("name", names("deepvit_cosreg") + names("refiner_cosreg"))
def test_attention_cosine(name):
    """DeepViT's and Refiner's are one function."""
    maps = [soft(f"att{number}", 2, 3, 5, 5) for number in range(4)]
    cosine = attention_cosine(maps, CASES[name]["inputs"]["n_comn"])
    loss = soft_cross_entropy(rnd("out", 2, 10), soft("target_cls", 2, 10)) + 0.1 * cosine
    assert_is(loss, CASES[name]["value"])


# ---------------------------------------------------------------- properties


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_class_numbers_are_smoothed_as_torch_does(smoothing):
    logits_bk, classes_b = rnd("a", 5, 7), torch.tensor([0, 6, 3, 3, 1])
    expected = F.cross_entropy(logits_bk, classes_b, label_smoothing=smoothing)
    assert_is(soft_cross_entropy(logits_bk, classes_b, smoothing), expected.item())
    assert_is(soft_cross_entropy(logits_bk, soft_targets(logits_bk, classes_b, smoothing)), expected.item())


def test_a_floor_keeps_the_loss_finite():
    logits_bk, targets = torch.tensor([[1e4, 0.0]], dtype=torch.float64), torch.tensor([1])
    assert_is(soft_cross_entropy(logits_bk, targets), 1e4)
    assert_is(soft_cross_entropy(logits_bk, targets, floor=1e-8), -math.log(1e-8))


def test_every_class_above_the_threshold_is_there():
    logits_bk = rnd("a", 3, 4)
    mixed_bk = torch.tensor([[0.7, 0.3, 0, 0], [0, 0, 1, 0], [0, 0.5, 0, 0.5]], dtype=torch.float64)
    log_p_bk, log_q_bk = F.logsigmoid(logits_bk), F.logsigmoid(-logits_bk)
    expected = -torch.where(mixed_bk > 0, log_p_bk, log_q_bk).mean()
    assert_is(binary_cross_entropy(logits_bk, mixed_bk), expected.item())
    assert_is(binary_cross_entropy(logits_bk, 0.9 * mixed_bk + 0.1 / 4, threshold=0.1), expected.item())
    assert_is(binary_cross_entropy(logits_bk, 0.9 * mixed_bk + 0.1 / 4), -log_p_bk.mean().item())


def test_class_numbers_are_one_class_each():
    logits_bk, classes_b = rnd("a", 2, 4), torch.tensor([3, 0])
    ones_bk = F.one_hot(classes_b, 4).double()
    assert_is(binary_cross_entropy(logits_bk, classes_b), binary_cross_entropy(logits_bk, ones_bk).item())


def test_soft_distillation_is_the_divergence_over_the_classes():
    student_bk, teacher_bk = rnd("a", 3, 8), rnd("b", 3, 8)
    p_bk, q_bk = (teacher_bk / 3).softmax(1), (student_bk / 3).softmax(1)
    divergence = (p_bk * (p_bk.log() - q_bk.log())).sum(1).mean()
    assert_is(soft_distillation(student_bk, teacher_bk, 3.0), (9 * divergence / 8).item())
    assert_is(soft_distillation(teacher_bk, teacher_bk), 0.0)


@pytest.mark.parametrize("distill", [soft_distillation, hard_distillation])
def test_no_gradient_reaches_the_teacher(distill):
    student_bk, teacher_bk = rnd("a", 3, 8).requires_grad_(), rnd("b", 3, 8).requires_grad_()
    distill(student_bk, teacher_bk).backward()
    assert teacher_bk.grad is None
    assert student_bk.grad is not None
    assert student_bk.grad.abs().sum() > 0


def test_only_the_maps_of_the_pairs_are_seen():
    maps = [soft(f"att{number}", 2, 3, 4, 6).requires_grad_() for number in range(4)]
    attention_cosine(maps, 2).backward()
    assert [each.grad is not None for each in maps] == [True, True, True, False]
    assert_is(attention_cosine([maps[0]] * 2, 1).detach(), 1.0)


@pytest.mark.parametrize("loss", [
    lambda order: soft_cross_entropy(rnd("a", 5, 7)[order], soft("b", 5, 7)[order]),
    lambda order: soft_cross_entropy(rnd("a", 5, 7)[order], torch.arange(5)[order], 0.1),
    lambda order: binary_cross_entropy(rnd("a", 5, 7)[order], torch.arange(5)[order]),
    lambda order: soft_distillation(rnd("a", 5, 7)[order], rnd("b", 5, 7)[order]),
    lambda order: hard_distillation(rnd("a", 5, 7)[order], rnd("b", 5, 7)[order]),
    lambda order: attention_cosine([soft("a", 5, 2, 3, 3)[order], soft("b", 5, 2, 3, 3)[order]], 1),
])  # fmt: skip
def test_the_order_of_the_batch_does_not_matter(loss):
    assert_is(loss(torch.tensor([3, 0, 4, 1, 2])), loss(torch.arange(5)).item())


# ---------------------------------------------------------------- errors

LOGITS, MAP = torch.zeros(4, 10), torch.zeros(2, 3, 5, 5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: soft_cross_entropy(torch.zeros(4), torch.zeros(4)), "`logits` must be of shape (B, K), but is (4,)"),
    (lambda: soft_cross_entropy(LOGITS, torch.zeros(4, 9)),
     "`targets` must be of shape (B=4, K=10), but is (4, 9)"),
    (lambda: soft_cross_entropy(LOGITS, torch.zeros(3, dtype=torch.long)),
     "`targets` must be of shape (B=4), but is (3,)"),
    (lambda: soft_cross_entropy(LOGITS, torch.zeros(4)),
     "`targets` must be class numbers, but are of type torch.float32"),
    (lambda: soft_cross_entropy(LOGITS, torch.tensor([0, 10, 0, 1])),
     "`targets` must be class numbers from 0 to 9, but are from 0 to 10"),
    (lambda: soft_cross_entropy(LOGITS, LOGITS, smoothing=0.1),
     "`smoothing` is for class numbers, but `targets` are soft: smooth them where they are made"),
    (lambda: soft_cross_entropy(LOGITS, torch.zeros(4, dtype=torch.long), 1.5),
     "`smoothing` must be from 0 to 1, but is 1.5"),
    (lambda: binary_cross_entropy(LOGITS, torch.zeros(4, 1)), "`targets` must be of shape (B=4, K=10), but is (4, 1)"),
    (lambda: soft_distillation(LOGITS, torch.zeros(4, 1000)),
     "`teacher` must be of shape (B=4, K=10), but is (4, 1000)"),
    (lambda: soft_distillation(LOGITS, LOGITS, tau=0.0), "`tau` must be above 0, but is 0.0"),
    (lambda: hard_distillation(LOGITS, torch.zeros(10)), "`teacher` must be of shape (B=4, K=10), but is (10,)"),
    (lambda: attention_cosine([MAP, MAP], 0), "`count` must be at least 1, but is 0"),
    (lambda: attention_cosine([MAP, MAP], 2), "`maps` must be at least 3 for 2 pairs, but are 2"),
    (lambda: attention_cosine([MAP, MAP[:, :2]], 1),
     "`maps[1]` must be of shape (B=2, H=3, Q=5, N=5), but is (2, 2, 5, 5)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
