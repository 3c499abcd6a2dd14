"""A batch norm behind a linear map: one product in inference, and whatever changes is noticed."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from vitdsl.layers.convolution import Conv2d
from vitdsl.layers.folding import conv_and_norm, linear_and_norm, pointwise_and_norm
from vitdsl.layers.linear import Linear
from vitdsl.layers.norms import BatchNorm

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: Linear(6, 8),
    "linear without bias": lambda: Linear(6, 8, bias=False),
    "convolution": lambda: Conv2d(6, 8, (3, 3), padding=(1, 1)),
    "by channel, without bias": lambda: Conv2d(6, 12, (3, 3), stride=(2, 2), groups=6, bias=False),
    "same": lambda: Conv2d(6, 8, (3, 3), stride=(2, 2), padding="same", dilation=(2, 2)),
    "filled": lambda: Conv2d(6, 8, (3, 3), stride=(3, 3), fit="pad"),
}


def pair(name: str = "linear", affine: bool = True, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, BatchNorm]:
    """A layer and a norm whose tensors are anything."""
    torch.manual_seed(0)
    layer = LAYERS[name]()
    norm = BatchNorm(layer.weight.shape[0], affine=affine)  # type: ignore[index]
    for tensor in (*layer.parameters(), *norm.parameters(), norm.running_mean, norm.running_var):
        assert tensor is not None
        nn.init.uniform_(tensor, 0.5, 2)
    return layer.to(dtype).eval(), norm.to(dtype).eval()


def images(name: str = "linear", dtype: torch.dtype = torch.float64) -> Tensor:
    shape = (2, 5, 6) if name.startswith("linear") else (2, 6, 8, 7)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)


def apply_normed(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """The function for this layer."""
    return (linear_and_norm if x.ndim == 3 else conv_and_norm)(layer, x, norm)


def both(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """What the two modules make, one after the other."""
    y = layer(x)
    return norm(y.flatten(0, 1)).view_as(y) if y.ndim == 3 else norm(y)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_one_product_is_the_two(name: str, affine: bool) -> None:
    layer, norm = pair(name, affine)
    with torch.no_grad():
        made = apply_normed(layer, norm, images(name))
    assert norm._product is not None
    torch.testing.assert_close(made, both(layer, norm, images(name)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [4, 40])
def test_one_product_of_a_map_is_the_two(width: int) -> None:
    layer, norm = Linear(width, width).double().eval(), BatchNorm(width).double().eval()
    x = torch.randn(2, width, 5, 4, dtype=torch.float64)
    expected = norm(layer(x))
    with torch.no_grad():
        torch.testing.assert_close(pointwise_and_norm(layer, x, norm), expected, rtol=1e-12, atol=1e-12)
        assert norm._product is not None
        other = nn.Sequential(layer)  # knows tokens alone
        torch.testing.assert_close(pointwise_and_norm(other, x, norm), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_narrow_numbers_are_as_near(dtype: torch.dtype) -> None:
    """The product is no farther from float64 than the two modules are, but for one rounding of the weights."""
    layer, norm = pair(dtype=dtype)
    exact = both(copy.deepcopy(layer).double(), copy.deepcopy(norm).double(), images(dtype=dtype).double())
    with torch.no_grad():
        made = apply_normed(layer, norm, images(dtype=dtype))
        apart = (both(layer, norm, images(dtype=dtype)).double() - exact).abs().max()
    assert made.dtype == dtype
    rounding = torch.finfo(dtype).eps * exact.abs().max()
    assert (made.double() - exact).abs().max() <= 2 * apart + 2 * rounding


CHANGES: dict[str, Callable[[nn.Module, Any], Any]] = {
    "a weight is written": lambda layer, norm: layer.weight.detach().mul_(2),
    "a bias is written": lambda layer, norm: layer.bias.detach().add_(1),
    "a scale is written": lambda layer, norm: norm.weight.detach().mul_(3),
    "a shift is written": lambda layer, norm: norm.bias.detach().add_(1),
    "the mean is written": lambda layer, norm: norm.running_mean.add_(1),
    "the variance is written": lambda layer, norm: norm.running_var.mul_(2),
    "a weight is another one": lambda layer, norm: setattr(layer, "weight", nn.Parameter(layer.weight.detach() * 2)),
    "the mean is another one": lambda layer, norm: setattr(norm, "running_mean", norm.running_mean + 1),
    "the data are others": lambda layer, norm: setattr(layer.weight, "data", layer.weight.data * 2),
    "eps is another one": lambda layer, norm: setattr(norm, "eps", 0.5),
    "a state is loaded": lambda layer, norm: layer.load_state_dict({k: 2 * v for k, v in layer.state_dict().items()}),
    "a state is assigned": lambda layer, norm: norm.load_state_dict(
        {k: 2 * v for k, v in norm.state_dict().items()}, assign=True
    ),
    "statistics are taken": lambda layer, norm: (norm.train(), both(layer, norm, images()), norm.eval()),
    "both are narrow": lambda layer, norm: (layer.float(), norm.float()),
    "written through data, and eval": lambda layer, norm: (layer.weight.data.mul_(2), norm.eval()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(change: str) -> None:
    layer, norm = pair()
    with torch.no_grad():
        before = apply_normed(layer, norm, images())
        CHANGES[change](layer, norm)
        x = images().to(layer.weight.dtype)  # type: ignore[arg-type]
        made = apply_normed(layer, norm, x)
        assert not torch.equal(made.double(), before)
        rounding = 64 * torch.finfo(made.dtype).eps
        torch.testing.assert_close(made, both(layer, norm, x), rtol=rounding, atol=rounding)


def test_nothing_is_made_twice() -> None:
    layer, norm = pair()
    with torch.inference_mode():
        apply_normed(layer, norm, images())
        kept = norm._product
        apply_normed(layer, norm, images())
    assert kept is not None
    assert norm._product is kept
    with torch.no_grad():
        apply_normed(layer, norm, images())
    assert norm._product is kept


def test_gradients_are_those_of_the_two() -> None:
    layer, norm = pair()
    with torch.no_grad():
        apply_normed(layer, norm, images())
    parameters = [*layer.parameters(), *norm.parameters()]
    made = torch.autograd.grad(apply_normed(layer, norm, images()).square().sum(), parameters)
    assert all(map(torch.equal, made, torch.autograd.grad(both(layer, norm, images()).square().sum(), parameters)))


WRAPS: dict[str, Callable[[nn.Module, Any, list[int]], Any]] = {
    "hook of the layer": lambda layer, norm, met: layer.register_forward_hook(lambda *_: met.append(0)),
    "hook of the norm": lambda layer, norm, met: norm.register_forward_hook(lambda *_: met.append(0)),
    "hook before": lambda layer, norm, met: layer.register_forward_pre_hook(lambda *_: met.append(0)),
    "hook of all": lambda layer, norm, met: register_module_forward_hook(lambda *_: met.append(0)),
    "own forward": lambda layer, norm, met: setattr(
        layer, "forward", lambda x, plain=layer.forward: (met.append(0), plain(x))[1]
    ),
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_what_is_put_around_a_module_is_called(wrap: str) -> None:
    layer, norm = pair()
    met: list[int] = []
    with torch.no_grad():
        apply_normed(layer, norm, images())
        handle = WRAPS[wrap](layer, norm, met)
        apply_normed(layer, norm, images())
        if handle is not None:
            handle.remove()
    assert met


@pytest.mark.parametrize("name", ["linear", "convolution"])
def test_what_replaces_a_module_is_called(name: str) -> None:
    layer, norm = pair(name)
    x = images(name)
    other = nn.BatchNorm1d(8).double().eval() if name == "linear" else nn.BatchNorm2d(8).double().eval()
    doubled = nn.Sequential(layer, nn.Hardtanh(-1, 1))
    with torch.no_grad():
        assert torch.equal(apply_normed(layer, other, x), both(layer, other, x))
        assert torch.equal(apply_normed(doubled, norm, x), both(doubled, norm, x))


def test_what_is_kept_is_neither_saved_nor_copied() -> None:
    layer, norm = pair()
    keys = [*norm.state_dict()]
    with torch.no_grad():
        apply_normed(layer, norm, images())
    assert [*norm.state_dict()] == keys
    assert copy.deepcopy(norm)._product is None
    file = io.BytesIO()
    torch.save(norm, file)
    file.seek(0)
    assert torch.load(file, weights_only=False)._product is None


def test_weights_of_inference_mode_are_never_kept() -> None:
    with torch.inference_mode():
        layer, norm = pair()
        made = apply_normed(layer, norm, images())
        layer.weight.mul_(2)  # type: ignore[operator]
        assert not torch.equal(apply_normed(layer, norm, images()), made)
    assert norm._product is None


def test_several_sets_of_weights_at_once() -> None:
    """As ensembles are run: each call of the modules stands for one of several sets."""
    pairs = [nn.Sequential(*pair()), nn.Sequential(*pair())]
    for each in pairs[1].parameters():
        nn.init.uniform_(each, 0.5, 2)
    parameters, buffers = torch.func.stack_module_state(pairs)
    model = Normed(*pair())
    names = {"0": "layer", "1": "norm"}
    state = {f"{names[key[0]]}{key[1:]}": value for key, value in {**parameters, **buffers}.items()}
    with torch.no_grad():
        model(images())
        made = torch.vmap(lambda state, x: torch.func.functional_call(model, state, (x,)), (0, None))(state, images())
        for number, (layer, norm) in enumerate(pairs):
            torch.testing.assert_close(made[number], both(layer, norm, images()), rtol=1e-12, atol=1e-12)


def test_a_compiled_program_has_both() -> None:
    layer, norm = pair()
    program = torch.export.export(Normed(layer, norm), (images(),))
    assert any("batch_norm" in str(node.target) for node in program.graph.nodes)


class Normed(nn.Module):
    """Both, as a module."""

    def __init__(self, layer: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.layer, self.norm = layer, norm

    def forward(self, x: Tensor) -> Tensor:
        return linear_and_norm(self.layer, x, self.norm)
