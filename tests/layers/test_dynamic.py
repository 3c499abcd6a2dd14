import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.layers import checks
from vitdsl.layers.dynamic import BankConv2d, GeneratedDepthwise2d, PositionDepthwise2d, Reduce


def reduced(layer: Reduce, x_bchw: Tensor) -> Tensor:
    y = torch.einsum("bchw,oc->bohw", x_bchw, layer.weight[:, :, 0, 0])
    if layer.bias is not None:
        y = y + layer.bias[:, None, None]
    if layer.norm is not None:
        scale = layer.norm.weight / (layer.norm.running_var + layer.norm.eps).sqrt()
        y = (y - layer.norm.running_mean[:, None, None]) * scale[:, None, None] + layer.norm.bias[:, None, None]
    return y.clamp(min=0)


def generated(layer: nn.Conv2d, x_bchw: Tensor) -> Tensor:
    return torch.einsum("bchw,oc->bohw", x_bchw, layer.weight[:, :, 0, 0]) + layer.bias[:, None, None]


@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_bank_is_the_loop(bias: bool) -> None:
    layer = checks.randomize(
        BankConv2d(
            4, 6, (3, 2), count=3, hidden=2, stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2,
            temperature=0.7, bias=bias,
        )
    )  # fmt: skip
    x = checks.normal(3, 4, 7, 6)
    logits = generated(layer.generate, reduced(layer.reduce, x.mean((2, 3), keepdim=True))).flatten(1)
    coefficients = (logits / 0.7).softmax(1)
    expected = []
    for b in range(3):
        kernel = sum(coefficients[b, k] * layer.weight[k] for k in range(3))
        offset = sum(coefficients[b, k] * layer.bias[k] for k in range(3)) if bias else None
        expected.append(F.conv2d(x[b : b + 1], kernel, offset, (2, 1), (1, 0), (1, 2), 2))
    torch.testing.assert_close(layer(x), torch.cat(expected), rtol=0, atol=1e-13)
    torch.testing.assert_close(layer.coefficients(x), coefficients)
    assert list(dict(layer.named_parameters())) == [
        "weight", *["bias"] * bias, "reduce.weight", "generate.weight", "generate.bias",
    ]  # fmt: skip
    bank, positions = 3 * (6 * 2 * 6 + 6 * bias), 4 * 4
    assert expected[0].shape[2:] == (4, 4)
    assert checks.parameters(layer) == bank + 2 * 4 + 3 * 2 + 3
    assert checks.multiply_adds(layer, x[:1]) == 2 * 4 + 3 * 2 + bank + positions * 6 * 2 * 6


@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_generated_depthwise_is_the_loop(bias: bool) -> None:
    layer = checks.randomize(GeneratedDepthwise2d(4, (3, 5), hidden=2, stride=2, padding=(1, 2), bias=bias))
    x = checks.normal(2, 4, 7, 6)
    kernels = generated(layer.generate, reduced(layer.reduce, x.mean((2, 3), keepdim=True))).flatten(1)
    padded = F.pad(x, (2, 2, 1, 1))
    expected = torch.zeros(2, 4, 4, 3, dtype=torch.float64)
    for b, c, y, z, i, j in itertools.product(range(2), range(4), range(4), range(3), range(3), range(5)):
        expected[b, c, y, z] += kernels[b, c * 15 + i * 5 + j] * padded[b, c, 2 * y + i, 2 * z + j]
    if bias:
        expected += layer.bias[:, None, None]
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    assert checks.parameters(layer) == 4 * bias + 2 * 4 + 2 * 2 + 4 * 15 * 2 + 4 * 15
    assert checks.multiply_adds(layer, x[:1]) == 2 * 4 + 2 * 4 * 15 + 12 * 4 * 15


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 3)])
@torch.no_grad()
def test_position_depthwise_is_the_loop(stride: int, dilation: int) -> None:
    layer = checks.randomize(PositionDepthwise2d(4, (3, 5), hidden=3, groups=2, stride=stride, dilation=dilation))
    x = checks.normal(2, 4, 7, 6)
    kernels = generated(layer.generate, reduced(layer.reduce, x[:, :, ::stride, ::stride]))
    padded = F.pad(x, (2 * dilation, 2 * dilation, dilation, dilation))
    rows, columns = -(-7 // stride), -(-6 // stride)
    expected = torch.zeros(2, 4, rows, columns, dtype=torch.float64)
    for c, y, z, i, j in itertools.product(range(4), range(rows), range(columns), range(3), range(5)):
        entry = kernels[:, c // 2 * 15 + i * 5 + j, y, z]
        expected[:, c, y, z] += entry * padded[:, c, stride * y + dilation * i, stride * z + dilation * j]
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    positions = rows * columns
    assert checks.parameters(layer) == 3 * 4 + 3 * 3 + 2 * 15 * (3 + 1)
    assert checks.multiply_adds(layer, x[:1]) == positions * (4 * 3 + 3 * 2 * 15)


def test_position_depthwise_refuses_what_it_cannot_place() -> None:
    with pytest.raises(ValueError, match=r"found kernel \(4, 4\), 2 groups, 4 channels"):
        PositionDepthwise2d(4, 4, hidden=2, groups=2)
    with pytest.raises(ValueError, match="3 groups, 4 channels"):
        PositionDepthwise2d(4, 3, hidden=2, groups=3)


LAYERS: dict[str, Callable[..., nn.Module]] = {
    "bank": lambda **factory: BankConv2d(4, 6, 3, count=3, hidden=2, padding=1, groups=2, **factory),
    "generated": lambda **factory: GeneratedDepthwise2d(4, 3, hidden=2, padding=1, **factory),
    "position": lambda **factory: PositionDepthwise2d(4, 3, hidden=2, groups=2, **factory),
}


@pytest.mark.parametrize("name", LAYERS)
def test_compiles_exports_copies(name: str) -> None:
    layer, x = checks.randomize(LAYERS[name]()), checks.normal(3, 4, 6, 5)
    checks.assert_copies(layer, x)
    checks.assert_compiles(layer, x)
    checks.assert_exports(layer, x)


@pytest.mark.parametrize("name", LAYERS)
def test_factory_gradients_and_autocast(name: str) -> None:
    assert all(
        p.is_meta and p.dtype == torch.float16 for p in LAYERS[name](device="meta", dtype=torch.half).parameters()
    )
    assert LAYERS[name](device="meta")(torch.empty(2, 4, 6, 5, device="meta")).is_meta
    torch.manual_seed(0)
    layer = LAYERS[name]()
    layer(checks.normal(3, 4, 6, 5).float()).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(checks.normal(3, 4, 6, 5).float()).isfinite().all()


def test_gradients_are_right() -> None:
    for make in LAYERS.values():
        layer = checks.randomize(make())
        assert torch.autograd.gradcheck(layer, checks.normal(2, 4, 3, 3).requires_grad_())


def test_position_depthwise_saves_no_neighbourhoods() -> None:
    layer, x = PositionDepthwise2d(32, 7, hidden=2, groups=1), torch.randn(1, 32, 24, 24, requires_grad=True)
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes() // 4
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        layer(x)
    assert sum(storages.values()) < 6 * x.numel()


def test_temperature_is_a_number_that_may_change() -> None:
    layer, x = checks.randomize(BankConv2d(4, 6, 3, count=3, hidden=2, temperature=1e9)), checks.normal(2, 4, 6, 5)
    torch.testing.assert_close(layer.coefficients(x).detach(), torch.full((2, 3), 1 / 3, dtype=torch.float64))
    layer.temperature = 1.0
    assert layer.coefficients(x).std() > 1e-3
    assert not any("temperature" in key for key in layer.state_dict())
