"""SWAP: how many patterns over the images the units of a model show."""

from __future__ import annotations

import torch
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.search.proxies.base import Batch
from vitdsl.search.proxies.codes import codes

BITS = 62


def swap(model: VisionModel, batch: Batch) -> float:
    """Number of different sample-wise activation patterns: columns of the codes, one bit for each image.

    At most 2^B, so a batch that is small for the model says nothing.

    Source: Peng et al., SWAP-NAS, arXiv 2403.04161.
    """
    return float(patterns(codes(model, batch)))


def patterns(found: list[Tensor]) -> int:
    """Number of different columns of bool (B, units) tensors set side by side."""
    units = torch.zeros(sum(code.shape[1] for code in found), dtype=torch.long, device=found[0].device)
    for start in range(0, len(found[0]), BITS):
        word = _numbered(torch.cat([_packed(code[start : start + BITS]) for code in found]))
        units = _numbered(units * (int(word.max()) + 1) + word)
    return int(units.max()) + 1


def _packed(code: Tensor) -> Tensor:
    """(units,): the bits of up to 62 images in one integer."""
    word = torch.zeros(code.shape[1], dtype=torch.long, device=code.device)
    for place, row in enumerate(code):
        word |= row.long() << place
    return word


def _numbered(words: Tensor) -> Tensor:
    """Equal words by one number, from 0."""
    return words.unique(return_inverse=True)[1]
