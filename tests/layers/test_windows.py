import itertools

import pytest
import torch
from torch import Tensor

from tests.layers import checks
from vitdsl.layers.windows import WindowMask, from_windows, map_to_windows, to_windows, window_mask, windows_to_map

GRIDS = [((4, 6), (2, 3), (0, 0), False), ((4, 6), (2, 3), (1, 2), False), ((5, 7), (3, 2), (0, 0), True)]
GRIDS += [((5, 7), (3, 2), (1, 1), True), ((4, 7), (4, 3), (0, 2), True), ((5, 5), (4, 4), (2, 2), True)]
over_grids = pytest.mark.parametrize(("grid", "size", "shift", "pad"), GRIDS)
Pair = tuple[int, int]


def source(grid: Pair, size: Pair, shift: Pair, window: int, place: int) -> tuple[int, int, int, int]:
    """Row and column of the padded grid that a place in a window comes from, and which came from the far side."""
    full = [-(-n // s) * s for n, s in zip(grid, size, strict=True)]
    columns = full[1] // size[1]
    y = window // columns * size[0] + place // size[1] + shift[0]
    x = window % columns * size[1] + place % size[1] + shift[1]
    return y % full[0], x % full[1], y // full[0], x // full[1]


def counts(grid: Pair, size: Pair) -> tuple[int, int]:
    rows, columns = (-(-n // s) for n, s in zip(grid, size, strict=True))
    return rows * columns, size[0] * size[1]


@over_grids
def test_windows_are_the_loop_and_go_back(grid: Pair, size: Pair, shift: Pair, pad: bool) -> None:
    x = checks.normal(3, grid[0] * grid[1], 2)
    windows, places = counts(grid, size)
    expected = torch.zeros(3 * windows, places, 2, dtype=torch.float64)
    for image, g, n in itertools.product(range(3), range(windows), range(places)):
        i, j, *_ = source(grid, size, shift, g, n)
        if i < grid[0] and j < grid[1]:
            expected[image * windows + g, n] = x[image, i * grid[1] + j]
    found = to_windows(x, *grid, size, shift, pad)
    assert torch.equal(found, expected)
    assert torch.equal(from_windows(found, *grid, size, shift, pad), x)


@over_grids
def test_maps_are_cut_as_tokens_are(grid: Pair, size: Pair, shift: Pair, pad: bool) -> None:
    x = checks.normal(3, 2, *grid)
    found = map_to_windows(x, *grid, size, shift, pad)
    tokens = to_windows(x.flatten(2).transpose(1, 2), *grid, size, shift, pad)
    assert torch.equal(found.flatten(2).transpose(1, 2), tokens)
    assert torch.equal(windows_to_map(found, *grid, size, shift, pad), x)


@over_grids
def test_windows_of_another_size_go_back(grid: Pair, size: Pair, shift: Pair, pad: bool) -> None:
    x = checks.normal(2, 3, *grid)
    large = map_to_windows(x, *grid, size, shift, pad).repeat_interleave(2, 2).repeat_interleave(3, 3)
    expected = x.repeat_interleave(2, 2).repeat_interleave(3, 3)
    assert torch.equal(windows_to_map(large, *grid, size, shift, pad), expected)


def test_windows_shrink_to_a_token_each() -> None:
    x = checks.normal(2, 3, 4, 6)
    means = map_to_windows(x, 4, 6, (2, 3)).mean((2, 3), keepdim=True)
    torch.testing.assert_close(windows_to_map(means, 4, 6, (2, 3)), torch.nn.functional.avg_pool2d(x, (2, 3)))


@over_grids
def test_mask_is_the_loop(grid: Pair, size: Pair, shift: Pair, pad: bool) -> None:
    windows, places = counts(grid, size)
    mask = window_mask(*grid, size, shift)
    assert mask.shape == (windows, places, places)
    assert mask.dtype == torch.bool
    assert mask.any(2).all()
    for g, q, k in itertools.product(range(windows), range(places), range(places)):
        (qi, qj, *q_rolled), (ki, kj, *k_rolled) = (source(grid, size, shift, g, n) for n in (q, k))
        filled = qi >= grid[0] or qj >= grid[1]
        together = ki < grid[0] and kj < grid[1] and q_rolled == k_rolled
        assert mask[g, q, k].item() == (q == k if filled else together)


def test_mask_without_shift_or_padding_hides_nothing() -> None:
    assert window_mask(4, 6, (2, 3)).all()


def test_mask_module_keeps_its_mask() -> None:
    with torch.device("meta"):
        layer = WindowMask(5, 7, (3, 2), (1, 1))
    expected = window_mask(5, 7, (3, 2), (1, 1))
    assert torch.equal(layer.to_empty(device="cpu").half()(), expected)
    assert not layer.state_dict()
    checks.assert_copies(layer)
    checks.assert_compiles(layer)


class Cycle(torch.nn.Module):
    """Windows there and back, as generated code does it."""

    def forward(self, x_bchw: Tensor) -> Tensor:
        height, width = x_bchw.shape[2:]
        x_bnc = x_bchw.flatten(2).transpose(1, 2)
        windows = to_windows(x_bnc, height, width, (3, 2), (1, 1), True)
        y = from_windows(2 * windows, height, width, (3, 2), (1, 1), True)
        maps = map_to_windows(x_bchw, height, width, (3, 2), (1, 1), True)
        return windows_to_map(maps, height, width, (3, 2), (1, 1), True).flatten(2).transpose(1, 2) + y


def test_windows_compile_and_export() -> None:
    x = checks.normal(3, 2, 5, 7)
    checks.assert_compiles(Cycle(), x)
    checks.assert_exports(Cycle(), x)
    assert torch.equal(Cycle()(x), 3 * x.flatten(2).transpose(1, 2))
