"""Norms on tokens and maps, against torch's and against loops."""

import itertools

import pytest
import torch
from torch import nn

from tests.layers import checks
from tests.layers.plain import as_map, as_tokens, close, filled
from vitdsl.layers.norms import Affine, BatchNorm, GroupNorm


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
