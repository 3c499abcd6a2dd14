"""NASWOT: how differently images activate the model."""

from __future__ import annotations

import torch
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.search.proxies.base import Batch
from vitdsl.search.proxies.codes import codes

COLUMNS = 1 << 20
"""Units at a time: codes are bits, and only these many of them become numbers at once."""


def naswot(model: VisionModel, batch: Batch) -> float:
    """Log |det K|, where K_ij is the number of units on which the codes of images i and j agree.

    Source: Mellor et al., Neural Architecture Search without Training, arXiv 2006.04647.
    """
    return float(torch.linalg.slogdet(agreement(codes(model, batch))).logabsdet)


def agreement(found: list[Tensor]) -> Tensor:
    """(B, B) in float64: the units of all activations less the Hamming distance."""
    total = torch.zeros(len(found[0]), len(found[0]), dtype=torch.float64, device=found[0].device)
    for code in found:
        for part in code.split(COLUMNS, 1):
            sign = part.double() * 2 - 1
            total += (part.shape[1] + sign @ sign.T) / 2
    return total
