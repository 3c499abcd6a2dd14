"""The sizes of a model, and sums over the weights of its linear maps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.graph.costs import Analysis
from vitdsl.graph.roles import Role
from vitdsl.search.proxies import base
from vitdsl.search.proxies.base import Batch, Weight, gradients_of, graph_of, weights_of, working_copy

# ---------------------------------------------------------------- sizes, which every other proxy has to beat


def params(model: VisionModel, batch: Batch) -> float:
    """Parameters, and the fixed tables that checkpoints hold, exact from the graph."""
    return float(Analysis(graph_of(model)).params)


def macs(model: VisionModel, batch: Batch) -> float:
    """Multiply-adds for one image of the size that the model was built for, exact from the graph."""
    return float(Analysis(graph_of(model)).macs)


# ---------------------------------------------------------------- with labels


def snip(model: VisionModel, batch: Batch) -> float:
    """Σ |∂L/∂W ⊙ W| over the matrices of all linear maps; L is the cross entropy of the batch.

    Source: Lee et al., SNIP, arXiv 1810.02340; as a proxy Abdelfattah et al., arXiv 2101.08134.
    """
    return sum(saliency(weight, gradient) for weight, gradient in _loss_gradients(model, batch))


def grad_norm(model: VisionModel, batch: Batch) -> float:
    """Σ ‖∂L/∂W‖₂ over the matrices of all linear maps; L is the cross entropy of the batch.

    Source: Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, arXiv 2101.08134.
    """
    return sum(float(gradient.norm()) for _, gradient in _loss_gradients(model, batch))


def _loss_gradients(model: VisionModel, batch: Batch) -> list[tuple[Weight, Tensor]]:
    """Every matrix with the gradient of the loss."""
    copy = working_copy(model, base.float_type(model))
    weights = weights_of(copy)
    return list(zip(weights, gradients_of(base.loss(copy, batch.images, batch.labels), weights), strict=True))


# ---------------------------------------------------------------- without data


def synflow(model: VisionModel, batch: Batch) -> float:
    """Σ |∂R/∂W ⊙ W| over the matrices of all linear maps; R is the sum of the outputs for one image of ones.

    Every parameter is replaced by its absolute value, in float64. Norms are not bypassed. A layer norm removes the
    scale of its input, so the terms have signs, and their absolute values are summed. Batch norms have their initial
    statistics, mean 0 and variance 1.

    Source: Tanaka et al., Pruning neural networks without any data, arXiv 2006.05467.
    """
    return sum(saliency(weight, gradient) for weight, gradient in _flow_gradients(model))


def dss(model: VisionModel, batch: Batch) -> float:
    """Synaptic diversity of the maps that mix tokens, plus synaptic saliency of all other linear maps.

    Diversity is Σ ‖∂R/∂W‖_nuc · ‖W‖_nuc, saliency Σ |∂R/∂W ⊙ W|, with R and the parameters of `synflow`. A kernel is
    the matrix of its output channels. A model that mixes tokens with dense convolutions alone has no diversity.

    Source: Zhou et al., Training-free Transformer Architecture Search, arXiv 2203.12217.
    """
    return sum(
        nuclear(gradient) * nuclear(weight.tensor.detach())
        if weight.role == Role.MIX_TOKENS
        else saliency(weight, gradient)
        for weight, gradient in _flow_gradients(model)
    )


def _flow_gradients(model: VisionModel) -> list[tuple[Weight, Tensor]]:
    """Every matrix of the absolute model with the gradient of the sum of its outputs for one image of ones."""
    copy = working_copy(model, torch.float64, batch_statistics=False)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.abs_()
    channels = graph_of(copy).frame.features[0].dim
    ones = torch.ones(1, channels, *copy.image_size, dtype=torch.float64, device=base.device_of(copy))
    weights = weights_of(copy)
    return list(zip(weights, gradients_of(copy(ones).sum(), weights), strict=True))


def saliency(weight: Weight, gradient: Tensor) -> float:
    """Σ |gradient ⊙ W|."""
    return float((gradient * weight.tensor.detach()).abs().sum())


def nuclear(kernel: Tensor) -> float:
    """Sum of the singular values of a kernel (C_out, …) as a matrix; NaN where the kernel is not finite."""
    matrix = kernel.flatten(1)
    return float(torch.linalg.svdvals(matrix).sum()) if bool(matrix.isfinite().all()) else math.nan
