"""The layers that are little more than torch's own: against loops, and what every layer must stand."""

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.layers import checks
from vitdsl.layers.activations import Scale, activation
from vitdsl.layers.convolution import Conv2d, pad_same
from vitdsl.layers.drop import DropPath
from vitdsl.layers.linear import Linear, TokenLinear
from vitdsl.layers.neighbourhoods import Fold, Resize, Subsample, Unfold
from vitdsl.layers.norms import Affine, BatchNorm, GroupNorm
from vitdsl.layers.pooling import PoolTokens, SequencePool, pool_window
from vitdsl.layers.positions import FixedPosition, LearnedPosition, WindowPosition
from vitdsl.layers.tables import resize_grid, sincos2d_table, sinusoid_table

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


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "before", "after"),
    [
        (5, 3, 2, 1, 1, 1),
        (6, 3, 2, 1, 0, 1),
        (6, 2, 1, 1, 0, 1),
        (7, 7, 4, 1, 2, 2),
        (5, 1, 2, 1, 0, 0),
        (6, 3, 1, 2, 2, 2),
        (4, 2, 3, 1, 0, 1),
    ],
)
def test_same_padding_is_as_by_hand(
    size: int, kernel: int, stride: int, dilation: int, before: int, after: int
) -> None:
    x = torch.ones(1, 1, size, 3)
    padded = pad_same(x, (kernel, 1), (stride, 1), (dilation, 1))
    assert padded[0, 0, :, 0].tolist() == [0.0] * before + [1.0] * size + [0.0] * after


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [((3, 2), (2, 3), (1, 1)), ((3, 5), (1, 1), (2, 1)), ((2, 2), (1, 1), (1, 1))],
)
def test_same_convolution_is_the_loop(
    kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> None:
    layer = filled(Conv2d(2, 2, kernel, stride, "same", dilation, groups=2))
    x = checks.normal(1, 2, 6, 7)
    rows, columns = -(-6 // stride[0]), -(-7 // stride[1])
    sides = zip((rows, columns), stride, dilation, kernel, (6, 7), strict=True)
    total = [max((n - 1) * s + d * (k - 1) + 1 - size, 0) for n, s, d, k, size in sides]
    assert layer.bias is not None
    expected = torch.zeros(1, 2, rows, columns, dtype=torch.float64)
    for c, i, j in itertools.product(range(2), range(rows), range(columns)):
        expected[0, c, i, j] = layer.bias[c]
        for u, v in itertools.product(range(kernel[0]), range(kernel[1])):
            y, z = i * stride[0] + u * dilation[0] - total[0] // 2, j * stride[1] + v * dilation[1] - total[1] // 2
            if 0 <= y < 6 and 0 <= z < 7:
                expected[0, c, i, j] += layer.weight[c, 0, u, v] * x[0, c, y, z]
    close(layer(x), expected)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_is_torchs_on_tokens_and_maps(affine: bool, training: bool) -> None:
    x = checks.normal(3, 6, 4)
    made = [filled(m).train(training) for m in (BatchNorm(4, 1e-3, 0.2, affine), nn.BatchNorm2d(4, 1e-3, 0.2, affine))]
    ours, theirs = made
    assert list(ours.state_dict()) == list(theirs.state_dict())
    expected = as_tokens(theirs(as_map(x, (2, 3))))
    close(ours(x), expected)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)
    if not training:
        close(as_tokens(ours(as_map(x, (2, 3)))), expected)
        close(ours(x[:, 0]), expected[:, 0])
    with pytest.raises(ValueError, match="found 5 axes"):
        ours(x[None, None])


def test_group_norm_is_the_loop() -> None:
    layer, x = filled(GroupNorm(2, 4, 1e-3)), checks.normal(3, 6, 4)
    expected = torch.empty_like(x)
    for b, g in itertools.product(range(3), range(2)):
        part = x[b, :, 2 * g : 2 * g + 2]
        expected[b, :, 2 * g : 2 * g + 2] = (part - part.mean()) / (part.var(correction=0) + 1e-3).sqrt()
    expected = expected * layer.weight + layer.bias
    close(layer(x), expected)
    close(as_tokens(layer(as_map(x, (2, 3)))), expected)


@pytest.mark.parametrize("bias", [True, False])
def test_affine_scales_and_shifts(bias: bool) -> None:
    layer, x = filled(Affine(4, bias)), checks.normal(3, 6, 4)
    expected = x * layer.weight + (0 if layer.bias is None else layer.bias)
    close(layer(x), expected)
    close(as_tokens(layer(as_map(x, (2, 3)))), expected)
    fresh = Affine(4, bias).double()
    close(fresh(x), x)


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
    close(activation(name)(x), torch.tensor([FORMULAS[name](v) for v in x.tolist()], dtype=torch.float64))


def test_softmax_is_over_channels() -> None:
    x = checks.normal(2, 6, 4)
    expected = x.exp() / x.exp().sum(2, keepdim=True)
    close(activation("softmax")(x), expected)
    close(as_tokens(activation("softmax")(as_map(x, (2, 3)))), expected)


def test_pool_tokens() -> None:
    x = checks.normal(2, 6, 4)
    close(PoolTokens("mean")(x), torch.stack([x[:, n] for n in range(6)]).sum(0)[:, None] / 6)
    for reduce in ("mean", "max"):
        assert PoolTokens(reduce)(x).shape == (2, 1, 4)
        close(PoolTokens(reduce)(as_map(x, (2, 3))), PoolTokens(reduce)(x))
    close(PoolTokens("max")(x), x.max(1, keepdim=True).values)


def test_pool_that_pads_as_same_counts_what_is_there() -> None:
    x = -checks.normal(1, 1, 4, 5).abs() - 1
    for reduce in ("mean", "max"):
        found = pool_window(reduce, (3, 3), (2, 2), "same")(x)
        assert found.shape == (1, 1, 2, 3)
        # rows: nothing above, one below; columns: one on each side
        for i, j in itertools.product(range(2), range(3)):
            there = x[0, 0, 2 * i : 2 * i + 3, max(2 * j - 1, 0) : 2 * j + 2]
            close(found[0, 0, i, j], there.mean() if reduce == "mean" else there.max())


def test_sequence_pool_is_the_loop() -> None:
    layer, x = filled(SequencePool(4)), checks.normal(2, 6, 4)
    for b in range(2):
        terms = [math.exp((x[b, n] * layer.weight[0]).sum() + layer.bias) for n in range(6)]
        expected = torch.stack([t / sum(terms) * x[b, n] for n, t in enumerate(terms)]).sum(0)
        close(layer(x)[b, 0], expected)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((2, 3), (2, 3), (0, 0)), ((3, 2), (2, 1), (1, 1)), ((2, 2), (2, 2), (1, 0))]
)
def test_unfold_is_the_loop(kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> None:
    x = checks.normal(2, 3, 5, 8)
    padded = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    rows, columns = ((n - k) // s + 1 for n, k, s in zip(padded.shape[2:], kernel, stride, strict=True))
    found = Unfold(kernel, stride, padding)(x)
    assert found.shape == (2, rows * columns, 3 * kernel[0] * kernel[1])
    for i, j, c, u, v in itertools.product(range(rows), range(columns), range(3), range(kernel[0]), range(kernel[1])):
        channel = (c * kernel[0] + u) * kernel[1] + v
        expected = padded[:, c, i * stride[0] + u, j * stride[1] + v]
        assert torch.equal(found[:, i * columns + j, channel], expected)


@pytest.mark.parametrize("kernel", [(2, 3), (1, 2), (3, 3)])
def test_fold_undoes_unfold(kernel: tuple[int, int]) -> None:
    x = checks.normal(2, 3, 2 * kernel[0], 4 * kernel[1])
    assert torch.equal(Fold(kernel)(as_map(Unfold(kernel, kernel)(x), (2, 4))), x)


def test_fold_is_pixel_shuffle() -> None:
    x = checks.normal(2, 12, 3, 5)
    assert torch.equal(Fold((2, 2))(x), F.pixel_shuffle(x, 2))


def test_resize_and_subsample() -> None:
    x = checks.normal(2, 3, 4, 6)
    bicubic = F.interpolate(x, (2, 9), mode="bicubic", align_corners=False)
    assert torch.equal(Resize((2, 9), None, "bicubic")(x), bicubic)
    assert torch.equal(Resize(None, 2, "nearest")(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.equal(Subsample((2, 4))(x)[:, :, 1, 1], x[:, :, 2, 4])
    assert Subsample((3, 4))(x).shape == (2, 3, 2, 2)


def test_learned_position_resizes_the_grid_and_keeps_tokens() -> None:
    layer, x = filled(LearnedPosition(14, 5, (3, 4))), checks.normal(2, 32, 5)
    assert torch.equal(layer(x[:, :14], 3, 4), x[:, :14] + layer.weight)
    assert torch.equal(layer(x[:, :14]), x[:, :14] + layer.weight)
    close(layer(x, 5, 6), x + resize_grid(layer.weight, 2, (3, 4), (5, 6)))
    listed = filled(LearnedPosition(3, 5))
    assert torch.equal(listed(x[:, :3], None, None), x[:, :3] + listed.weight)


class OnMap(nn.Module):
    """Positions on the tokens of a map of any size, behind a token."""

    def __init__(self) -> None:
        super().__init__()
        self.position = LearnedPosition(13, 5, (3, 4))

    def forward(self, x_bchw: Tensor) -> Tensor:
        tokens = as_tokens(x_bchw)
        return self.position(torch.cat([tokens[:, :1], tokens], 1), x_bchw.shape[2], x_bchw.shape[3])


@pytest.mark.parametrize("strict", [False, True])
def test_learned_position_exports_with_dynamic_size(strict: bool) -> None:
    layer, axes = filled(OnMap()), [torch.export.Dim(name) for name in ("batch", "height", "width")]
    shapes = ({0: axes[0], 2: axes[1], 3: axes[2]},)
    program = torch.export.export(layer, (checks.normal(2, 5, 6, 7),), dynamic_shapes=shapes, strict=strict).module()
    for size in ((3, 6, 7), (1, 3, 4), (2, 3, 9)):
        x = checks.normal(size[0], 5, *size[1:])
        close(program(x), layer(x))


def test_window_position_adds_one_table_everywhere() -> None:
    layer, x = filled(WindowPosition((2, 3), 5)), checks.normal(4, 6, 5)
    assert torch.equal(layer(x), x + layer.weight)


TABLES = {False: partial(sincos2d_table, 2, 3, 8), True: partial(sinusoid_table, 6, 8)}


@pytest.mark.parametrize("persistent", TABLES)
def test_fixed_position_is_its_table(persistent: bool) -> None:
    table, x = TABLES[persistent](), checks.normal(2, 6, 8)
    layer = FixedPosition(TABLES[persistent], persistent)
    assert list(layer.state_dict()) == (["weight"] if persistent else [])
    assert torch.equal(layer.weight, table.float())
    assert layer(x).dtype == torch.float64
    assert layer(x.half()).dtype == torch.float16
    doubled = layer.double()
    torch.testing.assert_close(doubled.weight, table, rtol=0, atol=1e-7 if persistent else 0)


def test_fixed_position_leaves_the_meta_device_and_keeps_what_was_loaded() -> None:
    with torch.device("meta"):
        made = FixedPosition(TABLES[False], persistent=False)
    assert torch.equal(made.to_empty(device="cpu").weight, TABLES[False]().float())
    loaded = FixedPosition(TABLES[True], persistent=True)
    loaded.load_state_dict({"weight": torch.full((1, 6, 8), 3.0)})
    assert (loaded.double().weight == 3).all()


@pytest.mark.parametrize("shape", [(1000, 3, 4), (1000, 2), (1000, 2, 2, 3)])
def test_drop_path_drops_images(shape: tuple[int, ...]) -> None:
    layer, x = DropPath(0.25), torch.ones(shape)
    torch.manual_seed(0)
    y = layer(x).flatten(1)
    assert (y == y[:, :1]).all()
    assert set(y[:, 0].tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs((y[:, 0] > 0).float().mean().item() - 0.75) < 0.05
    assert layer.eval()(x) is x
    assert DropPath(0.0)(x) is x
    assert (DropPath(1.0)(x) == 0).all()


MAP, TOKENS = checks.normal(3, 4, 5, 6), checks.normal(3, 6, 4)
LAYERS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "linear on tokens": (lambda: Linear(4, 3), TOKENS),
    "linear on a map": (lambda: Linear(4, 3), MAP),
    "token linear": (lambda: TokenLinear(6, 3), TOKENS),
    "convolution": (lambda: Conv2d(4, 2, (3, 3), (2, 2), (1, 1), groups=2), MAP),
    "convolution, same": (lambda: Conv2d(4, 2, (3, 2), (2, 2), "same"), MAP),
    "batch norm on tokens": (lambda: BatchNorm(4), TOKENS),
    "batch norm on a map": (lambda: BatchNorm(4), MAP),
    "group norm on tokens": (lambda: GroupNorm(2, 4), TOKENS),
    "affine": (lambda: Affine(4), MAP),
    "quick_gelu": (lambda: activation("quick_gelu"), MAP),
    "softmax": (lambda: activation("softmax"), MAP),
    "scale": (lambda: Scale(0.5), MAP),
    "pool tokens": (lambda: PoolTokens("max"), MAP),
    "pool, same": (lambda: pool_window("mean", (3, 3), (2, 2), "same"), MAP),
    "sequence pool": (lambda: SequencePool(4), TOKENS),
    "unfold": (lambda: Unfold((3, 3), (2, 2), (1, 1)), MAP),
    "unfold, same": (lambda: Unfold((3, 3), (2, 2), "same"), MAP),
    "unfold, tiling": (lambda: Unfold((2, 3), (2, 3)), MAP),
    "fold": (lambda: Fold((2, 2)), MAP),
    "resize": (lambda: Resize((3, 3), None, "bilinear"), MAP),
    "subsample": (lambda: Subsample((2, 2)), MAP),
    "learned": (lambda: LearnedPosition(6, 4, (2, 3)), TOKENS),
    "windows": (lambda: WindowPosition((2, 3), 4), TOKENS),
    "fixed": (lambda: FixedPosition(partial(sinusoid_table, 6, 4), True), TOKENS),
    "drop path": (lambda: DropPath(0.5), MAP),
}


@pytest.mark.parametrize("name", LAYERS)
def test_compiles_exports_copies(name: str) -> None:
    make, x = LAYERS[name]
    layer = checks.randomize(make())
    checks.assert_copies(layer, x)
    checks.assert_compiles(layer, x)
    checks.assert_exports(layer, x)


@pytest.mark.parametrize("make", [lambda: BatchNorm(4), lambda: DropPath(0.5)])
def test_trains_compiled(make: Callable[[], nn.Module]) -> None:
    torch._dynamo.reset()
    layer = make().double().train()
    y = torch.compile(layer, fullgraph=True, backend="eager")(TOKENS.clone().requires_grad_())
    y.sum().backward()
    assert y.isfinite().all()
