"""naswot, swap and jacob_cov against known codes, correlations and Jacobians."""

import math

import pytest
import torch

from tests.search.proxies.nets import fill, near, net, pixels
from vitdsl.search.proxies import measure
from vitdsl.search.proxies.jacob_cov import K, spread
from vitdsl.search.proxies.naswot import agreement
from vitdsl.search.proxies.swap import patterns

SIGNS = [[1, 1, -1, -1], [1, -1, 1, -1], [-1, -1, -1, 1]]
"""Codes 1100, 1010 and 0001, two, three and three apart."""


def coded(activation="relu", **more):
    """A model whose codes are the signs of its four channels."""
    return fill(net([{"activation": activation}], channels=4, **more), stem=torch.eye(4))


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "hardswish", "quick_gelu", "relu6"])
def test_naswot(activation):
    # K = [[4, 2, 1], [2, 4, 1], [1, 1, 4]], whose determinant is 4·15 - 2·7 + 1·(-2) = 44
    assert measure("naswot", coded(activation), pixels(SIGNS)) == near(math.log(44))


def test_naswot_adds_all_activations_up():
    # the second sees its inputs through the first: nothing negative is left, and 0 counts as not positive
    model = fill(net([{"activation": "relu"}, {"activation": "gelu"}], channels=4), stem=torch.eye(4))
    assert measure("naswot", model, pixels(SIGNS)) == near(math.log(44 * 8))


def test_agreement_of_many_units_is_exact():
    units = (1 << 21) + 3
    codes = torch.zeros(2, units, dtype=torch.bool)
    codes[1, :5] = True
    assert agreement([codes]).tolist() == [[units, units - 5], [units - 5, units]]


def test_swap():
    assert measure("swap", coded(), pixels(SIGNS)) == 4  # the columns 110, 100, 010 and 001
    assert measure("swap", coded(), pixels([*SIGNS[:2], SIGNS[0]])) == 4  # 111, 101, 010 and 000
    assert measure("swap", coded(), pixels(SIGNS[:2])) == 4
    assert measure("swap", coded(), pixels([[1, 1, -1, -1], [1, 1, 1, 1]])) == 2


def test_patterns_of_many_images():
    codes = torch.zeros(130, 4, dtype=torch.bool)
    assert patterns([codes]) == 1
    codes[61, 1] = codes[62, 2] = codes[129, 3] = True
    assert patterns([codes]) == 4
    assert patterns([codes, codes[:, 1:3]]) == 4


def test_codes_of_an_image_are_those_of_its_windows():
    windowed = [{"windows": 1, "body": [{"activation": "relu"}]}]
    torch.manual_seed(0)
    images = torch.randn(3, 4, 2, 2)
    values = [
        measure("naswot", fill(net(body, channels=4, size=2), stem=torch.eye(4)), images)
        for body in (windowed, [{"activation": "relu"}])
    ]
    assert values[0] == values[1]


def test_jacob_cov_of_a_linear_model():
    # every image has the same Jacobian: one eigenvalue is B, the others are 0
    wanted = -(math.log(3 + K) + 1 / (3 + K) + 2 * (math.log(K) + 1 / K))
    model = fill(net(channels=4), stem=torch.eye(4), head=torch.arange(8.0))
    assert measure("jacob_cov", model, pixels(SIGNS)) == near(wanted)


def test_jacob_cov_of_known_jacobians():
    # relu lets through the first two, or the first and the third, of the channels' gradients 1, 2, 3, 4
    model = fill(coded(), head=[[1, 2, 3, 4], [0, 0, 0, 0]])
    jacobians = torch.tensor([[1.0, 2, 0, 0], [1, 0, 3, 0]], dtype=torch.float64)
    correlation = float(torch.corrcoef(jacobians)[0, 1])
    wanted = -sum(math.log(value + K) + 1 / (value + K) for value in (1 - correlation, 1 + correlation))
    assert measure("jacob_cov", model, pixels(SIGNS[:2])) == near(wanted)
    assert spread(jacobians) == near(wanted)


def test_jacob_cov_of_uncorrelated_rows_is_best():
    rows = torch.tensor([[1.0, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    assert spread(rows) == near(-3 * (math.log(1 + K) + 1 / (1 + K)))
    assert spread(rows) > spread(rows + torch.tensor([1.0, 0, 0, 0]))
    assert math.isnan(spread(torch.ones(2, 4)))
