"""SynFlow: what flows through each weight, without data."""

from __future__ import annotations

import torch

from vitdsl.compiler.model import VisionModel
from vitdsl.search.proxies.base import Batch, absolute, gradients, ones, prepared, saliency, weights_of


def synflow(model: VisionModel, batch: Batch) -> float:
    """Σ |∂R/∂W ⊙ W| over the matrices of all linear maps; R is the sum of the outputs for one image of ones.

    Every parameter is taken as its absolute value, in float64. Norms act as they do in the model: none is bypassed. A
    layer norm makes what stands before it invariant to scale, so the terms have signs, and their absolute values are
    summed. Batch norms have the statistics that they begin with, mean 0 and variance 1.

    Source: Tanaka et al., Pruning neural networks without any data, arXiv 2006.05467.
    """
    made = prepared(model, torch.float64, statistics=False)
    absolute(made)
    weights = weights_of(made)
    found = gradients(made(ones(made)).sum(), weights)
    return saliency(weights, found)
