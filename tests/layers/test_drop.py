"""Stochastic depth drops whole images."""

import pytest
import torch

from vitdsl.layers.drop import DropPath


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
