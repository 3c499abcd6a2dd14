"""naswot and swap against known codes."""

import math

import pytest
import torch

from tests.search.proxies.nets import SIGNS, coded, fill, near, net, pixels
from vitdsl.search.proxies import score
from vitdsl.search.proxies.codes import agreement, patterns


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "hardswish", "quick_gelu", "relu6"])
def test_naswot(activation):
    # K = [[4, 2, 1], [2, 4, 1], [1, 1, 4]], whose determinant is 4·15 - 2·7 + 1·(-2) = 44
    assert score("naswot", coded(activation), pixels(SIGNS)) == near(math.log(44))


def test_naswot_adds_all_activations_up():
    # the second sees its inputs through the first: nothing negative is left, and 0 counts as not positive
    model = fill(net([{"activation": "relu"}, {"activation": "gelu"}], channels=4), stem=torch.eye(4))
    assert score("naswot", model, pixels(SIGNS)) == near(math.log(44 * 8))


def test_agreement_of_many_units_is_exact():
    units = (1 << 21) + 3
    codes = torch.zeros(2, units, dtype=torch.bool)
    codes[1, :5] = True
    assert agreement([codes]).tolist() == [[units, units - 5], [units - 5, units]]


def test_swap():
    assert score("swap", coded(), pixels(SIGNS)) == 4  # the columns 110, 100, 010 and 001
    assert score("swap", coded(), pixels([*SIGNS[:2], SIGNS[0]])) == 4  # 111, 101, 010 and 000
    assert score("swap", coded(), pixels(SIGNS[:2])) == 4
    assert score("swap", coded(), pixels([[1, 1, -1, -1], [1, 1, 1, 1]])) == 2


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
        score("naswot", fill(net(body, channels=4, size=2), stem=torch.eye(4)), images)
        for body in (windowed, [{"activation": "relu"}])
    ]
    assert values[0] == values[1]
