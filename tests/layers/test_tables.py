import math

import pytest
import torch
import torch.nn.functional as F

from tests.layers import checks
from vitdsl.layers.tables import resize_grid, sincos2d_table, sinusoid_table


@pytest.mark.parametrize("dim", [6, 7])
def test_sinusoid_is_the_loop(dim: int) -> None:
    table = sinusoid_table(5, dim)
    assert table.shape == (1, 5, dim)
    assert table.dtype == torch.float64
    for p in range(5):
        for j in range(dim):
            angle = p / 10000 ** (2 * (j // 2) / dim)
            assert table[0, p, j].item() == pytest.approx(math.cos(angle) if j % 2 else math.sin(angle), abs=1e-15)


@pytest.mark.parametrize(("dim", "temperature"), [(12, 10000.0), (4, 100.0)])
def test_sincos2d_is_the_loop(dim: int, temperature: float) -> None:
    table = sincos2d_table(2, 3, dim, temperature)
    assert table.shape == (1, 6, dim)
    quarter = dim // 4
    for y in range(2):
        for x in range(3):
            for m in range(quarter):
                omega = temperature ** (-m / max(quarter - 1, 1))
                angles = (math.sin(x * omega), math.cos(x * omega), math.sin(y * omega), math.cos(y * omega))
                found = table[0, y * 3 + x, m::quarter].tolist()
                assert found == pytest.approx(angles, abs=1e-15)


def test_sincos2d_needs_four_parts() -> None:
    with pytest.raises(ValueError, match="multiple of 4, found 6"):
        sincos2d_table(2, 2, 6)


def test_resize_grid_keeps_the_extra_tokens() -> None:
    table = checks.normal(1, 2 + 12, 5)
    resized = resize_grid(table, 2, (3, 4), (5, 6))
    assert torch.equal(resized[:, :2], table[:, :2])
    grid = table[:, 2:].reshape(1, 3, 4, 5).permute(0, 3, 1, 2)
    expected = F.interpolate(grid, (5, 6), mode="bicubic", align_corners=False).permute(0, 2, 3, 1).reshape(1, 30, 5)
    assert torch.equal(resized[:, 2:], expected)
    assert resize_grid(table, 2, (3, 4), (3, 4)) is table
    assert resize_grid(table.bfloat16(), 2, (3, 4), (5, 6), mode="nearest").dtype == torch.bfloat16
    with pytest.raises(ValueError, match="a 3x3 grid and 2 extra tokens need 11 entries, found 14"):
        resize_grid(table, 2, (3, 3), (5, 6))
