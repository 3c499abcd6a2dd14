"""ZiCo: how steady the gradients are from batch to batch."""

from __future__ import annotations

import math

from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.search.proxies.base import Batch, float_type, gradients, loss, prepared, refusal, weights_of

BATCHES = 2


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
    made = prepared(model, float_type(model))
    weights = weights_of(made)
    halves = zip(batch.images.tensor_split(BATCHES), batch.labels.tensor_split(BATCHES), strict=True)
    found = [gradients(loss(made, images, labels), weights) for images, labels in halves]
    terms = [term for layer in zip(*found, strict=True) if (term := steadiness(list(layer))) is not None]
    if not terms:
        raise refusal("`zico` has nothing to compare: no gradient varies from batch to batch")
    return sum(terms)


def steadiness(layer: list[Tensor]) -> float | None:
    """The term of one map from its gradients in each batch; None where none of them varies."""
    sizes = [gradient.double().abs() for gradient in layer]
    mean = sum(sizes[1:], sizes[0]) / len(sizes)
    deviation = (sum(((size - mean) ** 2 for size in sizes[1:]), (sizes[0] - mean) ** 2) / len(sizes)).sqrt()
    varies = deviation != 0
    total = float((mean[varies] / deviation[varies]).sum())
    return None if total == 0 else math.log(total)
