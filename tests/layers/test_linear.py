"""Linear maps of channels and of tokens."""

import pytest
import torch

from tests.layers import checks
from tests.layers.plain import as_map, as_tokens, close, filled
from vitdsl.layers.linear import Linear, TokenLinear


def test_linear_is_the_product_on_tokens_maps_and_vectors() -> None:
    layer, x = filled(Linear(3, 4)), checks.normal(2, 6, 3)
    expected = x @ layer.weight.T + layer.bias
    close(layer(x), expected)
    close(layer(x[:, 0]), expected[:, 0])
    close(as_tokens(layer(as_map(x, (2, 3)))), expected)
    assert list(layer.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize("bias", [True, False])
def test_token_linear_is_the_product(bias: bool) -> None:
    layer, x = filled(TokenLinear(6, 4, bias)), checks.normal(2, 6, 3)
    expected = torch.einsum("kn,bnc->bkc", layer.weight, x)
    close(layer(x), expected if layer.bias is None else expected + layer.bias[:, None])
