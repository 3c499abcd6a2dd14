"""SNIP: how much the loss changes where a weight is taken away."""

from __future__ import annotations

from vitdsl.compiler.model import VisionModel
from vitdsl.search.proxies.base import Batch, float_type, gradients, loss, prepared, saliency, weights_of


def snip(model: VisionModel, batch: Batch) -> float:
    """Σ |∂L/∂W ⊙ W| over the matrices of all linear maps; L is the cross entropy of the batch.

    Source: Lee et al., SNIP, arXiv 1810.02340; as a proxy Abdelfattah et al., arXiv 2101.08134.
    """
    made = prepared(model, float_type(model))
    weights = weights_of(made)
    found = gradients(loss(made, batch.images, batch.labels), weights)
    return saliency(weights, found)
