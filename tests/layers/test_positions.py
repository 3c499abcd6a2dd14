"""Positions that are learned, fixed, and of windows."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from tests.layers import checks
from tests.layers.plain import as_tokens, close, filled
from vitdsl.layers.positions import FixedPosition, LearnedPosition, WindowPosition
from vitdsl.layers.tables import resize_grid, sincos2d_table, sinusoid_table


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


TABLES = {False: (partial(sincos2d_table, dim=8), (2, 3)), True: (partial(sinusoid_table, dim=8), (6,))}
"""The formulas of tables that are persistent or not, and their lengths."""


@pytest.mark.parametrize("persistent", TABLES)
def test_fixed_position_is_its_table(persistent: bool) -> None:
    formula, lengths = TABLES[persistent]
    table, x = formula(*lengths), checks.normal(2, 6, 8)
    layer = FixedPosition(formula, lengths, persistent)
    assert list(layer.state_dict()) == (["weight"] if persistent else [])
    assert torch.equal(layer.weight, table.float())
    assert layer(x).dtype == torch.float64
    assert layer(x.half()).dtype == torch.float16
    doubled = layer.double()
    torch.testing.assert_close(doubled.weight, table, rtol=0, atol=1e-7 if persistent else 0)


def test_fixed_position_leaves_the_meta_device_and_keeps_what_was_loaded() -> None:
    with torch.device("meta"):
        made = FixedPosition(*TABLES[False], persistent=False)
    assert torch.equal(made.to_empty(device="cpu").weight, sincos2d_table(2, 3, 8).float())
    loaded = FixedPosition(*TABLES[True], persistent=True)
    loaded.load_state_dict({"weight": torch.full((1, 6, 8), 3.0)})
    assert (loaded.double().weight == 3).all()
