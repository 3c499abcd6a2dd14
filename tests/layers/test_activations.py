"""Activations against their formulas."""

import math
from collections.abc import Callable

import pytest
import torch

from tests.layers import checks
from tests.layers.plain import as_map, as_tokens, close
from vitdsl.layers.activations import activation

FORMULAS: dict[str, Callable[[float], float]] = {
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "quick_gelu": lambda x: x / (1 + math.exp(-1.702 * x)),
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "hardswish": lambda x: x * min(max(x + 3, 0.0), 6.0) / 6,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_activation_is_its_formula(name: str) -> None:
    x = torch.linspace(-8, 8, 33, dtype=torch.float64)
    close(activation(name)()(x), torch.tensor([FORMULAS[name](v) for v in x.tolist()], dtype=torch.float64))


def test_softmax_is_over_channels() -> None:
    x = checks.normal(2, 6, 4)
    expected = x.exp() / x.exp().sum(2, keepdim=True)
    close(activation("softmax")()(x), expected)
    close(as_tokens(activation("softmax")()(as_map(x, (2, 3)))), expected)
