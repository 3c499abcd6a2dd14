"""Covariance of Jacobians: how differently the output depends on different images."""

from __future__ import annotations

import torch
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.search.proxies.base import Batch, float_type, prepared

K = 1e-5
"""The published constant, which keeps the logarithm of an eigenvalue of 0 finite."""


def jacob_cov(model: VisionModel, batch: Batch) -> float:
    """-Σ (log(λ + k) + 1 / (λ + k)) over the eigenvalues λ of the correlations between the images' Jacobians.

    An image's Jacobian is the gradient of the sum of the outputs. Batch norms take the statistics of the batch, through
    which images see each other.

    Source: Mellor et al., Neural Architecture Search without Training, arXiv 2006.04647v1.
    """
    made = prepared(model, float_type(model)).requires_grad_(False)
    images = batch.images.clone().requires_grad_(True)
    (jacobian,) = torch.autograd.grad(made(images).sum(), images)
    return spread(jacobian.flatten(1))


def spread(rows: Tensor) -> float:
    """The score of Jacobians (B, D); not a number where one of them is constant."""
    correlation = torch.corrcoef(rows.double())
    if not bool(correlation.isfinite().all()):
        return float("nan")
    values = torch.linalg.eigvalsh(correlation).clamp(min=0) + K
    return -float((values.log() + 1 / values).sum())
