"""Convolutions with padding as TensorFlow's same."""

import itertools

import pytest
import torch

from tests.layers import checks
from tests.layers.plain import close, filled
from vitdsl.layers.convolution import Conv2d, pad_same


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
