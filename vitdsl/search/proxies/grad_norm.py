"""The norms of the gradients."""

from __future__ import annotations

from vitdsl.compiler.model import VisionModel
from vitdsl.search.proxies.base import Batch, float_type, gradients, loss, prepared, weights_of


def grad_norm(model: VisionModel, batch: Batch) -> float:
    """Σ ‖∂L/∂W‖₂ over the matrices of all linear maps; L is the cross entropy of the batch.

    Source: Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, arXiv 2101.08134.
    """
    made = prepared(model, float_type(model))
    found = gradients(loss(made, batch.images, batch.labels), weights_of(made))
    return sum(float(gradient.norm()) for gradient in found)
