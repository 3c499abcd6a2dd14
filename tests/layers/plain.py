"""Tokens, maps and weights that the tests of plain layers share."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from tests.layers import checks

Layer = TypeVar("Layer", bound=nn.Module)


def filled(layer: Layer) -> Layer:
    """As `checks.randomize`, which forgets the class."""
    checks.randomize(layer)
    return layer.requires_grad_(False)


def as_map(x_bnc: Tensor, grid: tuple[int, int]) -> Tensor:
    return x_bnc.transpose(1, 2).unflatten(2, grid)


def as_tokens(x_bchw: Tensor) -> Tensor:
    return x_bchw.flatten(2).transpose(1, 2)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found.detach(), expected.detach(), rtol=0, atol=1e-13)
