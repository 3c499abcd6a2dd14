"""Binary codes of images, that is which activations each of them switches on, and what they tell of a model."""

from __future__ import annotations

import torch
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.graph.roles import activations_of
from vitdsl.search.proxies.base import Batch, float_type, graph_of, refusal, working_copy

COLUMNS = 1 << 20
"""Units at a time: codes are bits, and only these many of them become numbers at once."""
BITS = 62
"""Images whose bits fit into one integer."""


def codes(model: VisionModel, batch: Batch) -> list[Tensor]:
    """For each activation a bool (B, units): whether its input is positive.

    For ReLU this is the code of the linear region. Activations that bend near 0, such as GELU, have the same codes.

    Raises:
        ProxyError: the model has no activation, or the input of one is not finite.
    """
    paths = activations_of(graph_of(model))
    if not paths:
        raise refusal(f"`{model.spec.name}` has no activation, so its images have no codes")
    copy = working_copy(model, float_type(model))
    entering: list[Tensor] = []
    for path in paths:
        copy.get_submodule(path).register_forward_pre_hook(lambda module, inputs: entering.append(inputs[0]))
    with torch.no_grad():
        copy(batch.images)
    if not all(bool(x.isfinite().all()) for x in entering):
        raise refusal(f"what enters an activation of `{model.spec.name}` is no number, so its images have no codes")
    # windows of an image are consecutive, so they fall into its row
    return [(x > 0).reshape(len(batch.images), -1) for x in entering]


def naswot(model: VisionModel, batch: Batch) -> float:
    """Log |det K|, where K_ij is the number of units on which the codes of images i and j agree.

    Source: Mellor et al., Neural Architecture Search without Training, arXiv 2006.04647.
    """
    return float(torch.linalg.slogdet(agreement(codes(model, batch))).logabsdet)


def agreement(activations: list[Tensor]) -> Tensor:
    """(B, B) in float64: the units of all activations less the Hamming distance."""
    total = torch.zeros(len(activations[0]), len(activations[0]), dtype=torch.float64, device=activations[0].device)
    for code in activations:
        for part in code.split(COLUMNS, 1):
            sign = part.double() * 2 - 1
            total += (part.shape[1] + sign @ sign.T) / 2
    return total


def swap(model: VisionModel, batch: Batch) -> float:
    """Number of different sample-wise activation patterns: columns of the codes, one bit for each image.

    At most 2^B, so a batch that is small for the model says nothing.

    Source: Peng et al., SWAP-NAS, arXiv 2403.04161.
    """
    return float(patterns(codes(model, batch)))


def patterns(activations: list[Tensor]) -> int:
    """Number of different columns of bool (B, units) tensors set side by side."""
    units = torch.zeros(sum(code.shape[1] for code in activations), dtype=torch.long, device=activations[0].device)
    for start in range(0, len(activations[0]), BITS):
        word = _index_words(torch.cat([_pack(code[start : start + BITS]) for code in activations]))
        units = _index_words(units * (int(word.max()) + 1) + word)
    return int(units.max()) + 1


def _pack(code: Tensor) -> Tensor:
    """(units,): the bits of up to 62 images in one integer."""
    word = torch.zeros(code.shape[1], dtype=torch.long, device=code.device)
    for place, row in enumerate(code):
        word |= row.long() << place
    return word


def _index_words(words: Tensor) -> Tensor:
    """Equal words by one number, from 0."""
    return words.unique(return_inverse=True)[1]
