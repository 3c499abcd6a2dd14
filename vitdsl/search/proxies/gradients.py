"""How gradients differ from batch to batch, and from image to image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.search.proxies.base import Batch, float_type, gradients_of, loss, refusal, weights_of, working_copy

BATCHES = 2
K = 1e-5
"""The published constant of `jacob_cov`, which keeps the logarithm of an eigenvalue of 0 finite."""


def zico(model: VisionModel, batch: Batch) -> float:
    """Σ_l log Σ E|∂L/∂w| / √Var|∂L/∂w| over linear maps l and their weights w, between the two halves of the batch.

    The variance is that of the population. A weight whose gradient does not vary has no term, as published, and neither
    has a map without such a weight.

    Source: Li et al., ZiCo, arXiv 2301.11300.

    Raises:
        ProxyError: fewer than four images, or no gradient varies.
    """
    if len(batch.images) < 2 * BATCHES:
        raise refusal(f"`zico` needs at least {2 * BATCHES} images, but the batch has {len(batch.images)}")
    if batch.labels is None:
        raise refusal("`zico` needs labels, but there are none")
    copy = working_copy(model, float_type(model))
    weights = weights_of(copy)
    halves = zip(batch.images.tensor_split(BATCHES), batch.labels.tensor_split(BATCHES), strict=True)
    by_half = [gradients_of(loss(copy, images, labels), weights) for images, labels in halves]
    terms = [term for layer in zip(*by_half, strict=True) if (term := steadiness(list(layer))) is not None]
    if not terms:
        raise refusal("`zico` has nothing to compare: no gradient varies from batch to batch")
    return sum(terms)


def steadiness(gradients: list[Tensor]) -> float | None:
    """The term of one map from its gradients in each batch; None where none of them varies."""
    sizes = torch.stack([gradient.double().abs() for gradient in gradients])
    mean, deviation = sizes.mean(0), sizes.std(0, correction=0)
    varies = deviation != 0
    total = float((mean[varies] / deviation[varies]).sum())
    return None if total == 0 else math.log(total)


def jacob_cov(model: VisionModel, batch: Batch) -> float:
    """-Σ (log(λ + k) + 1 / (λ + k)) over the eigenvalues λ of the correlations between the images' Jacobians.

    An image's Jacobian is the gradient of the sum of the outputs. Batch norms use the statistics of the batch, through
    which one image's outputs depend on the others.

    Source: Mellor et al., Neural Architecture Search without Training, arXiv 2006.04647v1.
    """
    copy = working_copy(model, float_type(model)).requires_grad_(False)
    images = batch.images.clone().requires_grad_(True)
    (jacobian,) = torch.autograd.grad(copy(images).sum(), images)
    return spread(jacobian.flatten(1))


def spread(rows: Tensor) -> float:
    """The score of Jacobians (B, D); NaN where one of them is constant."""
    correlation = torch.corrcoef(rows.double())
    if not bool(correlation.isfinite().all()):
        return math.nan
    values = torch.linalg.eigvalsh(correlation).clamp(min=0) + K
    return -float((values.log() + 1 / values).sum())
