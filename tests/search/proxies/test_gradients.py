"""zico and jacob_cov against gradients, correlations and Jacobians computed by hand."""

import math

import numpy as np
import torch

from tests.search.proxies.nets import SIGNS, X, Y, by_hand, coded, fill, linear, near, net, pixels
from vitdsl.search.proxies import score
from vitdsl.search.proxies.gradients import K, spread, steadiness


def test_zico():
    halves = [by_hand(X[:2], Y[:2]), by_hand(X[2:], Y[2:])]
    wanted = 0.0
    for layer in zip(*halves, strict=True):
        sizes = np.abs(np.stack(layer))
        wanted += math.log((sizes.mean(0) / sizes.std(0)).sum())
    assert score("zico", linear(), pixels(X), torch.tensor(Y)) == near(wanted)


def test_zico_leaves_out_what_does_not_vary():
    # |g|: (1, 3) has mean 2 and deviation 1, (2, 2) does not vary, (-4, 2) has mean 3 and deviation 1
    layer = [torch.tensor([1.0, 2.0, -4.0]), torch.tensor([-3.0, -2.0, 2.0])]
    assert steadiness(layer) == near(math.log(2 + 3))
    assert steadiness([torch.ones(3), torch.ones(3)]) is None


def test_jacob_cov_of_a_linear_model():
    # every image has the same Jacobian: one eigenvalue is B, the others are 0
    wanted = -(math.log(3 + K) + 1 / (3 + K) + 2 * (math.log(K) + 1 / K))
    model = fill(net(channels=4), stem=torch.eye(4), head=torch.arange(8.0))
    assert score("jacob_cov", model, pixels(SIGNS)) == near(wanted)


def test_jacob_cov_of_known_jacobians():
    # relu lets through the first two, or the first and the third, of the channels' gradients 1, 2, 3, 4
    model = fill(coded(), head=[[1, 2, 3, 4], [0, 0, 0, 0]])
    jacobians = torch.tensor([[1.0, 2, 0, 0], [1, 0, 3, 0]], dtype=torch.float64)
    correlation = float(torch.corrcoef(jacobians)[0, 1])
    wanted = -sum(math.log(value + K) + 1 / (value + K) for value in (1 - correlation, 1 + correlation))
    assert score("jacob_cov", model, pixels(SIGNS[:2])) == near(wanted)
    assert spread(jacobians) == near(wanted)


def test_jacob_cov_of_uncorrelated_rows_is_best():
    rows = torch.tensor([[1.0, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    assert spread(rows) == near(-3 * (math.log(1 + K) + 1 / (1 + K)))
    assert spread(rows) > spread(rows + torch.tensor([1.0, 0, 0, 0]))
    assert math.isnan(spread(torch.ones(2, 4)))
