"""The maps of an `attend` are those by which it weighs values."""

import pytest
import torch

from vitdsl.layers.attention import Attend, weigh_values
from vitdsl.layers.maps import map_of_attend


def operands(batch: int = 4, queries: int = 6, keys: int = 100) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = ((batch, queries, 8), (batch, keys, 8), (batch, keys, 12), (1, 2, 2, queries, keys))
    return [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]


@pytest.mark.parametrize("keys", [5, 100], ids=["few keys", "many keys"])
@pytest.mark.parametrize("extras", [(), ("bias",), ("mask",), ("bias", "mask")])
def test_maps_weigh_the_values(keys, extras):
    q, k, v, bias = operands(keys=keys)
    mask = torch.rand(2, 6, keys) < 0.5
    mask[..., 0] = True
    given = {name: {"bias": bias[0], "mask": mask}[name] for name in extras}
    attend = Attend(2, 0.5).eval()
    maps = map_of_attend(attend, q, k, **given)
    assert maps.shape == (4, 2, 6, keys)
    torch.testing.assert_close(weigh_values(maps, v), attend(q, k, v, **given), rtol=0, atol=1e-12)
    if "mask" in extras:
        assert not maps.unflatten(0, (2, 2)).masked_select(~mask[:, None]).any()


def test_dropout_acts_while_training():
    q, k, *_ = operands()
    attend = Attend(2, 0.5, dropout=0.5)
    assert 0.4 < (map_of_attend(attend, q, k) == 0).double().mean() < 0.6
    assert not (map_of_attend(attend.eval(), q, k) == 0).any()
