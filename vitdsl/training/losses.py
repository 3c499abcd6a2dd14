"""Losses of logits against labels and teachers, and the term that holds attention maps apart.

Half types are computed in float32.

Shapes: b images, k classes, h heads, q queries, n keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from vitdsl.training.shapes import check_numbers, check_shape, check_share


def soft_cross_entropy(logits_bk: Tensor, targets: Tensor, smoothing: float = 0.0, floor: float = 0.0) -> Tensor:
    """Cross-entropy with labels that may be soft: mean over images of −Σ_k t_k log p_k, in nats.

    With class numbers, t is 1 − s + s/K for the class and s/K for others; s is `smoothing`.

    Source: label smoothing, arXiv 1512.00567; soft labels of mixup, arXiv 1710.09412.

    Args:
        logits_bk: (B, K).
        targets: (B, K), a distribution for each image; or (B,), a class number for each.
        smoothing: from 0 to 1; only with class numbers. Labels that were mixed are smoothed before they are.
        floor: what is added to each p inside of the logarithm. The authors of patch diversification add 1e-8.

    Returns:
        A number.

    Raises:
        ValueError: shapes do not match, a number is no class, or soft labels shall be smoothed.
    """
    logits_bk = in_float32(logits_bk)
    targets_bk = soft_targets(logits_bk, targets, smoothing)
    log_p_bk = torch.log(floor + logits_bk.softmax(1)) if floor else logits_bk.log_softmax(1)
    return -(targets_bk * log_p_bk).sum(1).mean()


def binary_cross_entropy(logits_bk: Tensor, targets: Tensor, threshold: float = 0.0) -> Tensor:
    """A binary cross-entropy for each class: mean over images and classes of −y log σ(z) − (1 − y) log σ(−z), in nats.

    y is 1 where the label is above `threshold`, and 0 elsewhere: where images are mixed, both classes are wholly
    there. Smoothed labels are above 0 for every class, so they need a higher threshold.

    Source: DeiT III, arXiv 2204.07118; ResNet strikes back, arXiv 2110.00476.

    Args:
        logits_bk: (B, K).
        targets: (B, K), soft; or (B,), class numbers.
        threshold: above which a class is there; DeiT III's is 0.

    Returns:
        A number.

    Raises:
        ValueError: shapes do not match, or a number is no class.
    """
    logits_bk = in_float32(logits_bk)
    targets_bk = soft_targets(logits_bk, targets)
    return F.binary_cross_entropy_with_logits(logits_bk, (targets_bk > threshold).to(logits_bk.dtype))


def soft_targets(logits_bk: Tensor, targets: Tensor, smoothing: float = 0.0, name: str = "targets") -> Tensor:
    """Labels as a distribution over classes, (B, K), of the logits' type; soft ones as they are.

    Args:
        logits_bk: (B, K).
        targets: (B, K), soft; or (B,), class numbers.
        smoothing: from 0 to 1, for class numbers.
        name: what errors call the labels.

    Raises:
        ValueError: shapes do not match, a number is no class, or soft labels shall be smoothed.
    """
    check_shape("logits", logits_bk, "B K")
    check_share("smoothing", smoothing)
    if targets.ndim == 2:
        check_shape(name, targets, "B K", *logits_bk.shape)
        if smoothing:
            raise ValueError(
                f"`smoothing` is for class numbers, but `{name}` are soft: smooth them where they are made"
            )
        return targets.to(logits_bk.dtype)
    check_shape(name, targets, "B", logits_bk.shape[0])
    classes = logits_bk.shape[1]
    check_numbers(name, targets, classes)
    zeros_bk = torch.zeros_like(logits_bk, requires_grad=False)
    ones_bk = zeros_bk.scatter_(1, targets.long()[:, None], 1.0)
    return ones_bk * (1 - smoothing) + smoothing / classes


def per_token(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, K), (B, N, K) or (B, K, H, W) as rows, and the label of each, (B,) or (B, K): that of its image."""
    rows = logits.flatten(2).mT if logits.ndim == 4 else logits
    if rows.ndim == 2:
        return rows, targets
    return rows.flatten(0, 1), targets.repeat_interleave(rows.shape[1], 0)


def in_float32(x: Tensor) -> Tensor:
    """The tensor, in float32 where it is of a half type: sums over classes and channels need it."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


# ---------------------------------------------------------------- teachers


def soft_distillation(student_bk: Tensor, teacher_bk: Tensor, tau: float = 1.0) -> Tensor:
    """Divergence of a student from its teacher: τ²/(B·K) Σ_b Σ_k p_k (log p_k − log q_k), in nats.

    p is the softmax of the teacher's logits over τ, q that of the student's. Divided by B·K as in DeiT's code, this is
    K times smaller than the mean over images. No gradient reaches the teacher.

    Source: DeiT, arXiv 2012.12877; arXiv 1503.02531.

    Args:
        student_bk: logits, (B, K); DeiT's are those of the distillation token.
        teacher_bk: logits, (B, K), of the same images, mixed as the student sees them.
        tau: the temperature, above 0. DeiT's paper takes 3, with 0.1 as the weight of this term.

    Returns:
        A number.

    Raises:
        ValueError: shapes do not match, or `tau` is not positive.
    """
    check_shape("student", student_bk, "B K")
    check_shape("teacher", teacher_bk, "B K", *student_bk.shape)
    if tau <= 0:
        raise ValueError(f"`tau` must be above 0, but is {tau}")
    log_q_bk = (in_float32(student_bk) / tau).log_softmax(1)
    log_p_bk = (in_float32(teacher_bk.detach()) / tau).log_softmax(1)
    total = F.kl_div(log_q_bk, log_p_bk, reduction="sum", log_target=True)
    return tau**2 * total / log_q_bk.numel()


def hard_distillation(student_bk: Tensor, teacher_bk: Tensor) -> Tensor:
    """Cross-entropy with the class that the teacher says, mean over images, in nats. No gradient reaches the teacher.

    Source: DeiT, arXiv 2012.12877; the weight of this term is 0.5 there.

    Args:
        student_bk: logits, (B, K); DeiT's are those of the distillation token.
        teacher_bk: logits, (B, K), of the same images.

    Returns:
        A number.

    Raises:
        ValueError: shapes do not match.
    """
    check_shape("student", student_bk, "B K")
    check_shape("teacher", teacher_bk, "B K", *student_bk.shape)
    return F.cross_entropy(in_float32(student_bk), teacher_bk.detach().argmax(1))


# ---------------------------------------------------------------- attention


def attention_cosine(maps: Sequence[Tensor], count: int) -> Tensor:
    """How alike the attention maps of consecutive blocks are: 1/n Σ_{i<n} mean cos(A_i, A_{i+1}), from −1 to 1.

    The cosine is that of the heads' weights, taken for each query and key; the mean is over images, queries and keys.

    Source: the code of DeepViT (arXiv 2103.11886) and of Refiner (arXiv 2106.03714), which weigh it by 0.1.

    Args:
        maps: at least n + 1 maps from the first block on, each (B, H, Q, N).
        count: n, the number of pairs.

    Returns:
        A number.

    Raises:
        ValueError: there are too few maps, or maps of different shapes.
    """
    if count < 1:
        raise ValueError(f"`count` must be at least 1, but is {count}")
    if len(maps) <= count:
        raise ValueError(f"`maps` must be at least {count + 1} for {count} pairs, but are {len(maps)}")
    for number, map_bhqn in enumerate(maps[: count + 1]):
        check_shape(f"maps[{number}]", map_bhqn, "B H Q N", *(maps[0].shape if number else ()))
    wide = [in_float32(map_bhqn) for map_bhqn in maps[: count + 1]]
    return torch.stack([F.cosine_similarity(*pair, dim=1).mean() for pair in pairwise(wide)]).mean()
