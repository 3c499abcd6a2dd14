"""Neighbourhoods as tokens and back, and grids of another size."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from tests.layers import checks
from tests.layers.plain import as_map
from vitdsl.layers.neighbourhoods import Fold, Resize, Subsample, Unfold


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
