"""What every layer that is little more than torch's own must stand."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from tests.layers import checks
from vitdsl.layers.activations import Scale, activation
from vitdsl.layers.convolution import Conv2d
from vitdsl.layers.drop import DropPath
from vitdsl.layers.linear import Linear, TokenLinear
from vitdsl.layers.neighbourhoods import Fold, Resize, Subsample, Unfold
from vitdsl.layers.norms import Affine, BatchNorm, GroupNorm
from vitdsl.layers.pooling import PoolTokens, SequencePool, pool_window
from vitdsl.layers.positions import FixedPosition, LearnedPosition, WindowPosition
from vitdsl.layers.tables import sinusoid_table

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
    "quick_gelu": (lambda: activation("quick_gelu")(), MAP),
    "softmax": (lambda: activation("softmax")(), MAP),
    "scale": (lambda: Scale(0.5), MAP),
    "pool tokens": (lambda: PoolTokens("max"), MAP),
    "pool, same": (pool_window("mean", (3, 3), (2, 2), "same"), MAP),
    "sequence pool": (lambda: SequencePool(4), TOKENS),
    "unfold": (lambda: Unfold((3, 3), (2, 2), (1, 1)), MAP),
    "unfold, same": (lambda: Unfold((3, 3), (2, 2), "same"), MAP),
    "unfold, tiling": (lambda: Unfold((2, 3), (2, 3)), MAP),
    "fold": (lambda: Fold((2, 2)), MAP),
    "resize": (lambda: Resize((3, 3), None, "bilinear"), MAP),
    "subsample": (lambda: Subsample((2, 2)), MAP),
    "learned": (lambda: LearnedPosition(6, 4, (2, 3)), TOKENS),
    "windows": (lambda: WindowPosition((2, 3), 4), TOKENS),
    "fixed": (lambda: FixedPosition(partial(sinusoid_table, dim=4), (6,), True), TOKENS),
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
