"""Pools against loops."""

import itertools
import math

import torch

from tests.layers import checks
from tests.layers.plain import as_map, close, filled
from vitdsl.layers.pooling import PoolTokens, SequencePool, pool_window


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
        found = pool_window(reduce, (3, 3), (2, 2), "same")()(x)
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
