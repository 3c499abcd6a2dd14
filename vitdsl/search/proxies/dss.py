"""DSS: how diverse the maps that mix tokens are, and how salient the others."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.graph.roles import Role
from vitdsl.search.proxies.base import Batch, Weight, absolute, gradients, ones, prepared, saliency, weights_of


def dss(model: VisionModel, batch: Batch) -> float:
    """Synaptic diversity of what mixes tokens, plus synaptic saliency of all other linear maps.

    Diversity is Σ ‖∂R/∂W‖_nuc · ‖W‖_nuc, saliency Σ |∂R/∂W ⊙ W|. A kernel is the matrix of its output channels. R is
    the sum of the outputs for one image of ones, every parameter is taken as its absolute value, in float64, and no
    norm is bypassed (as for `synflow`). A model that mixes tokens with dense convolutions alone has no diversity.

    Source: Zhou et al., Training-free Transformer Architecture Search, arXiv 2203.12217.
    """
    made = prepared(model, torch.float64, statistics=False)
    absolute(made)
    weights = weights_of(made)
    found = gradients(made(ones(made)).sum(), weights)
    return sum(_term(weight, gradient) for weight, gradient in zip(weights, found, strict=True))


def _term(weight: Weight, gradient: Tensor) -> float:
    if weight.role == Role.MIX_TOKENS:
        return nuclear(gradient) * nuclear(weight.tensor.detach())
    return saliency([weight], [gradient])


def nuclear(kernel: Tensor) -> float:
    """Sum of the singular values of a matrix, or of a kernel (C_out, …) as one; not a number where they are not."""
    matrix = kernel.flatten(1)
    return float(torch.linalg.svdvals(matrix).sum()) if bool(matrix.isfinite().all()) else math.nan
