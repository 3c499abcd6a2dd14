"""Terms against over-smoothing: patches shall differ from each other, and stay what they were in the first layer.

There are three kinds of each, by who writes them: the paper (arXiv 2104.12753), the code of its authors, and
Diverse-ViT (arXiv 2203.06345), which uses them too.

Half types are computed in float32.

Shapes: b images, n patches row by row, c channels, k classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vitdsl.training.boxes import Grid
from vitdsl.training.losses import in_float32, soft_cross_entropy, soft_targets
from vitdsl.training.shapes import check_shape

FLOOR = 1e-8
"""What the authors add to probabilities inside of logarithms."""
NONE_LEFT = 1e-4
"""What the authors add to the size of a region, which may be empty."""


# ---------------------------------------------------------------- cosine


def patch_cosine(last_bnc: Tensor) -> Tensor:
    """How alike patches are: 1/(n(n − 1)) Σ_{i≠j} |cos(h_i, h_j)|, mean over images, from 0 to 1.

    Source: patch diversification, arXiv 2104.12753; the code of its authors has no such term.

    Args:
        last_bnc: patches after the last block, (B, N, C), without extra tokens, N at least 2.

    Returns:
        A number.

    Raises:
        ValueError: another shape, or fewer patches.
    """
    cosine_bnn = _cosines(last_bnc)
    count = cosine_bnn.shape[1]
    others_nn = ~torch.eye(count, dtype=torch.bool, device=cosine_bnn.device)
    return (cosine_bnn.abs() * others_nn).sum((1, 2)).mean() / (count * (count - 1))


def mean_cosine(last_bnc: Tensor) -> Tensor:
    """Diverse-ViT's `patch_cosine`: 1/n² Σ_{i,j} cos(h_i, h_j), signed and with i = j; mean over images.

    Source: Diverse-ViT, arXiv 2203.06345, which weighs it by 0.5 for DeiT-S.

    Args:
        last_bnc: patches after the last block, (B, N, C), N at least 2.

    Returns:
        A number.

    Raises:
        ValueError: another shape, or fewer patches.
    """
    return _cosines(last_bnc).mean()


def _cosines(x_bnc: Tensor) -> Tensor:
    """Cosines of all pairs, (B, N, N)."""
    _check_patches("last", x_bnc)
    unit_bnc = F.normalize(in_float32(x_bnc), dim=2)
    return unit_bnc @ unit_bnc.mT


# ---------------------------------------------------------------- contrast


def patch_contrast(first_bnc: Tensor, last_bnc: Tensor) -> Tensor:
    """Whether a patch is nearer to its own beginning than others are: mean of −log e^{f·h} / (e^{f·h} + e^{f·m}).

    f is the patch after the first block, h that after the last, m the mean of all other h of the image; the products
    are raw. No gradient reaches the first block.

    Source: patch diversification, arXiv 2104.12753.

    Args:
        first_bnc: patches after the first block, (B, N, C), without extra tokens, N at least 2.
        last_bnc: those after the last block, (B, N, C).

    Returns:
        A number, in nats.

    Raises:
        ValueError: shapes do not match, or fewer patches.
    """
    _check_pair("first", first_bnc, last_bnc)
    return _contrast(in_float32(first_bnc.detach()), in_float32(last_bnc))


def unit_contrast(first_bnc: Tensor, last_bnc: Tensor) -> Tensor:
    """Diverse-ViT's `patch_contrast`: of vectors of length 1, and with a gradient to the first block.

    Source: Diverse-ViT, arXiv 2203.06345, which weighs it by 0.5 for DeiT-S.

    Args:
        first_bnc: patches after the first block, (B, N, C), N at least 2.
        last_bnc: those after the last block, (B, N, C).

    Returns:
        A number, in nats.

    Raises:
        ValueError: shapes do not match, or fewer patches.
    """
    _check_pair("first", first_bnc, last_bnc)
    return _contrast(F.normalize(in_float32(first_bnc), dim=2), F.normalize(in_float32(last_bnc), dim=2))


def neighbour_contrast(embedding_bnc: Tensor, last_bnc: Tensor, grid: Grid, window: int = 7) -> Tensor:
    """The authors' `patch_contrast`, with two negatives: mean of −log(1e-8 + softmax(e·h, e·g, e·l)_0).

    e is what the patch embedding gives, before positions; h the patch after the last norm; g the mean of all other h of
    the image; l the mean of the other h in a window around it, in which places outside of the grid count as zeros.
    The products are raw. No gradient reaches the embedding.

    Source: the code of arXiv 2104.12753.

    Args:
        embedding_bnc: (B, N, C), without extra tokens, N at least 2.
        last_bnc: (B, N, C).
        grid: rows and columns, of N patches together.
        window: rows and columns of a window, odd and at least 3.

    Returns:
        A number, in nats.

    Raises:
        ValueError: shapes do not match, fewer patches, or such a window does not exist.
    """
    _check_pair("embedding", embedding_bnc, last_bnc)
    check_shape("last", last_bnc, "B N C", None, grid[0] * grid[1], None)
    if window < 3 or window % 2 == 0:
        raise ValueError(f"`window` must be odd and at least 3, but is {window}")
    embedding_bnc, last_bnc = in_float32(embedding_bnc.detach()), in_float32(last_bnc)
    last_bchw = last_bnc.transpose(1, 2).unflatten(2, grid)
    sums_bchw = F.avg_pool2d(last_bchw, window, stride=1, padding=window // 2, divisor_override=1)
    near_bnc = (sums_bchw - last_bchw).flatten(2).transpose(1, 2) / (window**2 - 1)
    candidates = (last_bnc, _others(last_bnc), near_bnc)
    products_bn3 = torch.stack([(embedding_bnc * each).sum(2) for each in candidates], dim=2)
    return -torch.log(FLOOR + products_bn3.softmax(2)[:, :, 0]).mean()


def _contrast(first_bnc: Tensor, last_bnc: Tensor) -> Tensor:
    own_bn = (first_bnc * last_bnc).sum(2)
    other_bn = (first_bnc * _others(last_bnc)).sum(2)
    return -F.logsigmoid(own_bn - other_bn).mean()


def _others(x_bnc: Tensor) -> Tensor:
    """The mean of all other patches of the image, for each, (B, N, C)."""
    return (x_bnc.sum(1, keepdim=True) - x_bnc) / (x_bnc.shape[1] - 1)


def _check_pair(name: str, first_bnc: Tensor, last_bnc: Tensor) -> None:
    _check_patches("last", last_bnc)
    check_shape(name, first_bnc, "B N C", *last_bnc.shape)


def _check_patches(name: str, x_bnc: Tensor) -> None:
    check_shape(name, x_bnc, "B N C")
    if x_bnc.shape[1] < 2:
        raise ValueError(f"`{name}` must be of at least 2 patches, but is of {x_bnc.shape[1]}")


# ---------------------------------------------------------------- mixing


def patch_mixing(logits_bnk: Tensor, inside: Tensor, outside: Tensor, mask_n: Tensor) -> Tensor:
    """Each patch is classified as the image that it comes from: 1/n Σ_i CE(z_i, y_i), mean over images, in nats.

    One linear map classifies all patches after the last block. A patch that is partly inside has both labels, by its
    shares.

    Source: patch diversification, arXiv 2104.12753, with images mixed as in CutMix.

    Args:
        logits_bnk: of each patch, (B, N, K).
        inside: labels of the images that are inside of the mask, (B, K) or class numbers (B,).
        outside: those of the images outside.
        mask_n: the share of each patch that is inside, (N,); `box_mask` makes it of a box.

    Returns:
        A number.

    Raises:
        ValueError: shapes do not match.
    """
    check_shape("logits", logits_bnk, "B N K")
    check_shape("mask", mask_n, "N", logits_bnk.shape[1])
    logits_bnk = in_float32(logits_bnk)
    inside_b1k = soft_targets(logits_bnk[:, 0], inside, name="inside")[:, None]
    outside_b1k = soft_targets(logits_bnk[:, 0], outside, name="outside")[:, None]
    mask_n1 = mask_n.to(logits_bnk)[:, None]
    targets_bnk = mask_n1 * inside_b1k + (1 - mask_n1) * outside_b1k
    return soft_cross_entropy(logits_bnk.flatten(0, 1), targets_bnk.flatten(0, 1))


def joint_mixing(
    class_logits_bk: Tensor, logits_bnk: Tensor, targets: Tensor, inside: Tensor, outside: Tensor, mask_n: Tensor
) -> Tensor:
    """Diverse-ViT's `patch_mixing`: the class token is one of n + 1 tokens, (CE(z, t) + Σ_i CE(z_i, y_i)) / (n + 1).

    One head classifies all of them.

    Source: Diverse-ViT, arXiv 2203.06345.

    Args:
        class_logits_bk: of the class token, (B, K).
        logits_bnk: of each patch, (B, N, K).
        targets: labels of the mixed images, (B, K) or class numbers (B,).
        inside: as in `patch_mixing`.
        outside: as in `patch_mixing`.
        mask_n: as in `patch_mixing`.

    Returns:
        A number, in nats.

    Raises:
        ValueError: shapes do not match.
    """
    of_patches = patch_mixing(logits_bnk, inside, outside, mask_n)
    check_shape("class_logits", class_logits_bk, "B K", logits_bnk.shape[0], logits_bnk.shape[2])
    count = logits_bnk.shape[1]
    return (soft_cross_entropy(class_logits_bk, targets) + count * of_patches) / (count + 1)


def pool_region(last_bnc: Tensor, mask_n: Tensor) -> Tensor:
    """The mean of the patches in a region, (B, C): Σ_i m_i h_i / (Σ_i m_i + 1e-4).

    Source: the code of arXiv 2104.12753, which classifies it by the patches' own head.

    Args:
        last_bnc: patches after the last norm, (B, N, C).
        mask_n: 1 in the region and 0 elsewhere, (N,).

    Raises:
        ValueError: shapes do not match.
    """
    check_shape("last", last_bnc, "B N C")
    check_shape("mask", mask_n, "N", last_bnc.shape[1])
    last_bnc, mask_n = in_float32(last_bnc), in_float32(mask_n.to(last_bnc))
    return (mask_n[:, None] * last_bnc).sum(1) / (mask_n.sum() + NONE_LEFT)


def region_mixing(logits_bk: Tensor, targets: Tensor, mask_n: Tensor) -> Tensor:
    """The authors' `patch_mixing`, of one region: its share of patches, times KL(y ‖ p), mean over images, in nats.

    KL is Σ_k y_k (log y_k − log(1e-8 + p_k)). The whole term is the sum over both regions, inside the box and outside.

    Source: the code of arXiv 2104.12753.

    Args:
        logits_bk: of the pooled region, (B, K).
        targets: labels of the images that the region comes from, (B, K) or class numbers (B,).
        mask_n: 1 in the region and 0 elsewhere, (N,).

    Returns:
        A number.

    Raises:
        ValueError: shapes do not match.
    """
    check_shape("mask", mask_n, "N")
    logits_bk = in_float32(logits_bk)
    targets_bk = soft_targets(logits_bk, targets)
    log_p_bk = torch.log(FLOOR + logits_bk.softmax(1))
    divergence_b = (torch.xlogy(targets_bk, targets_bk) - targets_bk * log_p_bk).sum(1)
    return mask_n.to(logits_bk).mean() * divergence_b.mean()
