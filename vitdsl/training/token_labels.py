"""Token Labeling: a label for every token, made of a teacher's stored scores, and the loss that uses them.

Shapes: b images, k classes, n tokens row by row, t best classes of a position, h rows and w columns of the score map,
m = 2 + n labels of an image: its own, that of the class token, those of the tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitdsl.training.boxes import Box, Grid, check_grid, mix_labels
from vitdsl.training.losses import in_float32, soft_cross_entropy, soft_targets
from vitdsl.training.shapes import check_numbers, check_shape, check_share

EXACT = 2048
"""Integers up to this one are exact in float16, in which class numbers are stored."""
AGREED, DISPUTED = 0.5, 0.9
"""Shares of the teacher's label where its class is the image's own, and where it is not."""


# ---------------------------------------------------------------- loss


def token_label_loss(
    class_logits_bk: Tensor,
    token_logits_bnk: Tensor,
    labels: Tensor,
    box: Box | None = None,
    *,
    class_weight: float = 1.0,
    token_weight: float = 1.0,
    ground_truth: bool = False,
) -> Tensor:
    """Cross-entropy of the class token and of all tokens: w_c CE(z, λ t + (1 − λ) reverse(t)) + w_t CE(z_n, t_n).

    λ = 1 − (tokens inside the box) / N. CE is −Σ_k t_k log p_k in nats, mean over images, or over images and tokens.

    Source: Token Labeling, arXiv 2104.10858. Both weights are 1 in its code; Refiner's (arXiv 2106.03714) takes 0.5
    for tokens.

    Args:
        class_logits_bk: of the class token, (B, K), mixed where tokens were.
        token_logits_bnk: of the tokens, (B, N, K); mixed ones put back by `swap_tokens`.
        labels: (B, K, 2 + N), as `make_token_labels` gives them; or (B, K), which the tokens then have too.
        box: in which tokens were swapped; None: none were.
        class_weight: w_c.
        token_weight: w_t.
        ground_truth: the class token's label becomes ρ t + (1 − ρ) y, where y is the image's own label, and ρ is 0.5
            where both say the same class and 0.9 elsewhere. Labels (B, K) are as they are.

    Returns:
        A number.

    Raises:
        ValueError: shapes do not match, or the box has more tokens than there are.
    """
    check_shape("class_logits", class_logits_bk, "B K")
    images, classes = class_logits_bk.shape
    check_shape("token_logits", token_logits_bnk, "B N K", images, None, classes)
    count = token_logits_bnk.shape[1]
    inside = box.area if box is not None else 0
    if not 0 <= inside <= count:
        raise ValueError(f"`box` must have at most as many tokens as there are, {count}, but has {inside}")
    own_bk, tokens_bnk = _taken(labels, images, count, classes, ground_truth)
    own_bk = mix_labels(own_bk, 1 - inside / count)
    of_class = soft_cross_entropy(class_logits_bk, own_bk)
    of_tokens = soft_cross_entropy(token_logits_bnk.flatten(0, 1), tokens_bnk.flatten(0, 1))
    return class_weight * of_class + token_weight * of_tokens


def _taken(labels: Tensor, images: int, count: int, classes: int, ground_truth: bool) -> tuple[Tensor, Tensor]:
    """The class token's labels, (B, K), and the tokens', (B, N, K)."""
    if labels.ndim == 2:
        check_shape("labels", labels, "B K", images, classes)
        return labels, labels[:, None].expand(images, count, classes)
    check_shape("labels", labels, "B K M", images, classes, 2 + count)
    own_bk, taught_bk = labels[:, :, 0], labels[:, :, 1]
    if ground_truth:
        agreed_b1 = (own_bk.argmax(1) == taught_bk.argmax(1))[:, None]
        ratio_b1 = torch.full_like(taught_bk[:, :1], DISPUTED).masked_fill(agreed_b1, AGREED)
        taught_bk = ratio_b1 * taught_bk + (1 - ratio_b1) * own_bk
    return taught_bk, labels[:, :, 2:].transpose(1, 2)


# ---------------------------------------------------------------- stored scores


def pack_scores(logits_bkhw: Tensor, count: int = 5) -> Tensor:
    """The best classes of each position, as Token Labeling stores them: (B, 2, T, H, W) in float16, best first.

    The first of the two are the scores as the teacher gives them, the second the class numbers.

    Args:
        logits_bkhw: of a teacher at every position, (B, K, H, W).
        count: T.

    Raises:
        ValueError: another shape, fewer classes than T, or so many that float16 cannot tell them apart.
    """
    check_shape("logits", logits_bkhw, "B K H W")
    classes = logits_bkhw.shape[1]
    if not 1 <= count <= classes:
        raise ValueError(f"`count` must be from 1 to the number of classes, {classes}, but is {count}")
    if classes > EXACT + 1:
        raise ValueError(
            f"`logits` must be of at most {EXACT + 1} classes, as float16 tells no more, but are of {classes}"
        )
    scores, numbers = logits_bkhw.detach().topk(count, dim=1)
    return torch.stack([scores.half(), numbers.half()], dim=1)


def unpack_scores(packed_b2thw: Tensor, classes: int) -> Tensor:
    """Stored scores as a map of all classes, (B, K, H, W), those of half types in float32; other classes have 0.

    Args:
        packed_b2thw: as `pack_scores` gives them, (B, 2, T, H, W).
        classes: K.

    Raises:
        ValueError: another shape, or a number that is no class.
    """
    check_shape("packed", packed_b2thw, "B 2 T H W")
    scores_bthw, numbers_bthw = in_float32(packed_b2thw[:, 0]), packed_b2thw[:, 1].long()
    images, _, height, width = scores_bthw.shape
    check_numbers("packed[:, 1]", numbers_bthw, classes)
    return scores_bthw.new_zeros((images, classes, height, width)).scatter_(1, numbers_bthw, scores_bthw)


# ---------------------------------------------------------------- labels of a crop


def make_token_labels(
    packed_b2thw: Tensor,
    crops_b4: Tensor,
    labels_b: Tensor,
    classes: int,
    grid: Grid | None,
    *,
    flipped_b: Tensor | None = None,
    smoothing: float = 0.1,
    swap_axes: bool = False,
) -> Tensor:
    """Labels of the crops that images were made of, (B, K, 2 + N): the image's own, the class token's, the tokens'.

    The scores are flipped, cropped by RoIAlign to the grid, and to one position for the class token; then softmax over
    all classes, in which those that were not stored have the score 0. With s for `smoothing`, the image's own label is
    1 − s + s/K for its class and s/K for others, and a teacher's p becomes p (1 − s + s/K) + s/K. As in the authors'
    code, this sums up to 1 + s/K.

    Source: Token Labeling, arXiv 2104.10858; ReLabel, arXiv 2101.05022. RoIAlign is torchvision's.

    Args:
        packed_b2thw: as `pack_scores` gives them, (B, 2, T, H, W), of whole images.
        crops_b4: (top, left, height, width) of each crop, (B, 4), in shares of the image after the flip.
        labels_b: class numbers of the images, (B,).
        classes: K.
        grid: rows and columns of tokens; None: no labels of tokens, (B, K, 2).
        flipped_b: which images were flipped left to right before they were cropped, (B,).
        smoothing: s, from 0 to 1.
        swap_axes: takes rows for columns, as the authors' code does: their (top, left, height, width) reaches
            RoIAlign as (x, y, width, height).

    Raises:
        ValueError: shapes do not match, a number is no class, or the grid has no tokens.
    """
    check_share("smoothing", smoothing)
    check_shape("packed", packed_b2thw, "B 2 T H W")
    images = packed_b2thw.shape[0]
    check_shape("crops", crops_b4, "B 4", images, None)
    check_shape("labels", labels_b, "B", images)
    check_numbers("labels", labels_b, classes)
    if grid is not None:
        check_grid(grid)
    if flipped_b is not None:
        check_shape("flipped", flipped_b, "B", images)
        packed_b2thw = torch.where(flipped_b.bool()[:, None, None, None, None], packed_b2thw.flip(4), packed_b2thw)
    scores_bkhw = unpack_scores(packed_b2thw, classes)
    own_bk = soft_targets(scores_bkhw[:, :, 0, 0], labels_b, smoothing)
    boxes_b4 = _corners(crops_b4.to(scores_bkhw), (scores_bkhw.shape[2], scores_bkhw.shape[3]), swap_axes)
    sizes = [(1, 1)] if grid is None else [(1, 1), grid]
    taught_bkm = torch.cat([_aligned(scores_bkhw, boxes_b4, size) for size in sizes], dim=2).softmax(1)
    taught_bkm = taught_bkm * (1 - smoothing + smoothing / classes) + smoothing / classes
    return torch.cat([own_bk[:, :, None], taught_bkm], dim=2)


def _corners(crops_b4: Tensor, size: Grid, swap_axes: bool) -> Tensor:
    """(left, top, right, bottom) on the map, whose positions are at whole numbers; (B, 4)."""
    top_b, left_b, height_b, width_b = crops_b4.unbind(1)
    rows, columns = [top_b, top_b + height_b], [left_b, left_b + width_b]
    if swap_axes:
        rows, columns = columns, rows
    (top_b, bottom_b), (left_b, right_b) = rows, columns
    height, width = size
    return torch.stack([left_b * width, top_b * height, right_b * width, bottom_b * height], dim=1) - 0.5


def _aligned(scores_bkhw: Tensor, boxes_b4: Tensor, size: Grid) -> Tensor:
    """The scores in each box at so many rows and columns, (B, K, N)."""
    from torchvision.ops import roi_align

    numbers_b1 = torch.arange(len(boxes_b4), device=boxes_b4.device, dtype=boxes_b4.dtype)[:, None]
    return roi_align(scores_bkhw, torch.cat([numbers_b1, boxes_b4], dim=1), size).flatten(2)
