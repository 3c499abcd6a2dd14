import math

import pytest
import torch

from tests.layers import checks
from vitdsl.layers.performer import Performer


@pytest.mark.parametrize(("queries", "keys", "value_dim"), [(6, 6, 4), (3, 5, 7)])
def test_is_the_loop(queries: int, keys: int, value_dim: int) -> None:
    heads, dim, features = 2, 4, 3
    layer = Performer(dim, features, heads, eps=1e-2).double()
    q, k = checks.normal(2, queries, heads * dim) / 2, checks.normal(2, keys, heads * dim) / 3
    v = checks.normal(2, keys, heads * value_dim)
    expected = torch.empty(2, queries, heads * value_dim, dtype=torch.float64)

    def positive(u: torch.Tensor) -> torch.Tensor:
        return torch.stack([(w @ u - u @ u / 2).exp() for w in layer.weight]) / math.sqrt(features)

    for b in range(2):
        for h in range(heads):
            part, values = slice(h * dim, (h + 1) * dim), slice(h * value_dim, (h + 1) * value_dim)
            for n in range(queries):
                weights = torch.stack([positive(q[b, n, part]) @ positive(k[b, s, part]) for s in range(keys)])
                expected[b, n, values] = weights @ v[b, :, values] / (weights.sum() + 1e-2)
    torch.testing.assert_close(layer(q, k, v), expected, rtol=0, atol=1e-12)
    per_head = (queries + keys) * (dim + value_dim) + queries
    assert checks.multiply_adds(layer, q[:1], k[:1], v[:1]) == heads * features * per_head


def test_directions_are_orthogonal_and_in_the_state() -> None:
    torch.manual_seed(3)
    weight = Performer(8, 5, dtype=torch.float64).weight
    torch.testing.assert_close(weight @ weight.T, 5 * torch.eye(5, dtype=torch.float64))
    tall = Performer(4, 9, dtype=torch.float64).weight
    torch.testing.assert_close(tall.T @ tall, 9 * torch.eye(4, dtype=torch.float64))
    torch.manual_seed(3)
    layer = Performer(8, 5)
    torch.testing.assert_close(layer.weight, weight.float())
    assert list(layer.state_dict()) == ["weight"]
    assert checks.parameters(layer) == 0


def test_runs_on_the_meta_device() -> None:
    layer = Performer(4, 3, 2, device="meta")
    x = torch.empty(2, 5, 8, device="meta")
    assert layer(x, x, x).shape == (2, 5, 8)


def test_compiles_exports_copies() -> None:
    layer = Performer(4, 3, 2).double().eval()
    inputs = (checks.normal(3, 5, 8), checks.normal(3, 6, 8), checks.normal(3, 6, 8))
    checks.assert_copies(layer, *inputs)
    checks.assert_compiles(layer, *inputs)
    checks.assert_exports(layer, *inputs)


def test_half_types_are_computed_in_float32() -> None:
    layer = Performer(64, 32)
    x = 3 * checks.normal(1, 50, 64).float()
    expected = layer(x, x, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(x, x, x), expected)
        checks.assert_compiles(layer, x, x, x)
    half = x.bfloat16()
    found = layer(half, half, half)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, layer(half.float(), half.float(), half.float()).bfloat16())
