"""Small models whose proxies can be computed by hand, and a batch for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import vitdsl
from vitdsl.compiler.model import VisionModel


def net(body=None, *, channels=3, dim=4, size=1, classes=2, stem=None, head=None, depth=None, **more) -> VisionModel:
    """Without biases, float64: a 1×1 convolution, a body or repeated blocks, the mean, a linear map to the classes."""
    tokenizer = [{"conv": {"dim": dim, "kernel": 1, "bias": False}}] if stem is None else stem
    stage = {"tokenizer": tokenizer}
    if body is not None:
        stage.update({"body": body} if depth is None else {"block": body, "depth": depth})
    spec = {
        "input": {"size": size, "channels": channels}, "classes": classes, "stages": [stage],
        "head": {"pool": "mean", "bias": False} if head is None else head, **more,
    }  # fmt: skip
    torch.manual_seed(0)
    return vitdsl.build(vitdsl.load(spec)).double()


def fill(model: VisionModel, **weights: Sequence) -> VisionModel:
    """Sets weights by the last words of their names: `stem`, `body`, `head`, or a module path with `_` for dots."""
    paths = {"stem": "stages.0.tokenizer.0.conv", "head": "head.classifier"}
    for name, value in weights.items():
        weight = model.get_submodule(paths.get(name, name.replace("__", "."))).weight
        with torch.no_grad():
            weight.copy_(torch.as_tensor(value, dtype=weight.dtype).view(weight.shape))
    return model


def pixels(rows: Sequence[Sequence[float]]) -> Tensor:
    """Images of one pixel: (B, C, 1, 1)."""
    return torch.tensor(rows, dtype=torch.float64)[:, :, None, None]


def near(value: Any) -> Any:
    """Equal but for the rounding of float64."""
    return pytest.approx(value, rel=1e-9, abs=1e-12)


X = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0], [-1.0, 0.5, 2.0], [2.0, 2.0, -1.0]])
Y = [0, 1, 1, 0]
FIRST = np.array([[0.5, -1.0, 0.25], [1.0, 0.5, -0.5], [-0.25, 0.75, 1.0], [0.1, 0.2, -0.3]])
LAST = np.array([[1.0, -0.5, 0.25, 2.0], [-1.0, 0.5, 0.75, -0.5]])


def linear():
    """y = LAST · FIRST · x."""
    return fill(net(), stem=FIRST, head=LAST)


def by_hand(x, y):
    """∂L/∂FIRST and ∂L/∂LAST of the mean cross entropy: softmax less one-hot, handed back through two matrices."""
    hidden = x @ FIRST.T
    logits = hidden @ LAST.T
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    delta = (shares - np.eye(2)[y]) / len(x)
    return (delta @ LAST).T @ x, delta.T @ hidden


SIGNS = [[1, 1, -1, -1], [1, -1, 1, -1], [-1, -1, -1, 1]]
"""Codes 1100, 1010 and 0001, two, three and three apart."""


def coded(activation="relu", **more):
    """A model whose codes are the signs of its four channels."""
    return fill(net([{"activation": activation}], channels=4, **more), stem=torch.eye(4))
