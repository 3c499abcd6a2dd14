"""AZ-NAS against known covariances and gradients."""

import math

import numpy as np
import torch

from tests.search.proxies.nets import fill, near, net
from vitdsl.features import Feature
from vitdsl.search.proxies import score
from vitdsl.search.proxies.az_nas import align, entropy, passing, spectral

LINEAR = [{"conv": {"kernel": 1, "bias": False}}]
IMAGES = torch.zeros(16, 1, 4, 4)


def test_entropy_of_known_covariances():
    rows = torch.tensor([[7.0, -3], [3, -3], [5, -2], [5, -4]], dtype=torch.float64)
    wanted = -(0.8 * math.log(0.8) + 0.2 * math.log(0.2))  # variances 2 and 1/2
    assert entropy(rows) == near(wanted)
    turn = torch.tensor([[0.6, 0.8], [-0.8, 0.6]], dtype=torch.float64)
    assert entropy(3 * rows @ turn) == near(wanted)
    assert entropy(torch.nn.functional.pad(rows, (0, 7))) == near(wanted)  # wider than it is high
    assert entropy(torch.eye(4) - 0.25) == near(math.log(3))
    assert math.isnan(entropy(torch.ones(3, 2)))


def test_a_block_that_passes_gradients_on_is_best():
    assert passing(1) == 0
    assert passing(2) == passing(0.5) == -0.5
    assert passing(0) == -math.inf


def test_spectral_norm_of_a_linear_map():
    # the columns of g_out are orthogonal, so g_inᵀ g_out / rows is the map itself
    g_out = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    weight = torch.tensor([[3.0, 0], [0, -2], [0, 0]])
    assert spectral(g_out @ weight.T, g_out) == near(3)


def test_spectral_norm_of_fewer_rows_than_channels():
    torch.manual_seed(0)
    g_in, g_out = torch.randn(3, 7).double(), torch.randn(3, 5).double()
    wanted = np.linalg.norm((g_in.T @ g_out).numpy() / 3, 2)
    assert spectral(g_in, g_out) == near(wanted)


def test_trainability_of_blocks_with_one_channel():
    # σ is the size of the block's weight: 2, then 1/4
    model = fill(
        net(LINEAR, depth=2, dim=1, channels=1, size=4), stem=[1], stages__0__block__0__0__conv=[2],
        stages__0__block__1__0__conv=[-0.25],
    )  # fmt: skip
    found = score("az_nas", model, IMAGES)
    assert found["trainability"] == near((passing(2) + passing(0.25)) / 2)
    assert found["expressivity"] == 0  # one channel has one eigenvalue
    assert found["complexity"] == model.spec.analyze().macs == 16 * (1 + 1 + 1) + 2


def test_trainability_of_a_residual_block():
    body = [{"residual": True, "body": LINEAR}]
    model = fill(net(body, dim=1, channels=1, size=4), stages__0__body__0__0__conv=[0.5])
    assert score("az_nas", model, IMAGES)["trainability"] == near(passing(1.5))


def test_trainability_of_a_block_that_shrinks_the_grid():
    # a sum over 2×2 pixels hands its gradient back to each of the four: g_in has four equal channels, σ = √4
    shrink = [{"residual": False, "body": [{"conv": {"kernel": 2, "stride": 2, "padding": 0, "bias": False}}]}]
    model = fill(net(shrink, dim=1, channels=1, size=4), stages__0__body__0__0__conv=[1, 1, 1, 1])
    assert score("az_nas", model, IMAGES)["trainability"] == near(passing(2))


def test_expressivity_is_the_sum_over_blocks():
    model = net(LINEAR, depth=2, dim=3, channels=2, size=4)
    weights = [model.get_submodule(f"stages.0.{path}").weight[:, :, 0, 0] for path in (
        "tokenizer.0.conv", "block.0.0.conv", "block.1.0.conv")]  # fmt: skip
    noise = (
        torch.randn(16, 2, 4, 4, generator=torch.Generator().manual_seed(7)).double().permute(0, 2, 3, 1).reshape(-1, 2)
    )
    wanted = 0.0
    x = (noise @ weights[0].T).detach()
    for weight in weights[1:]:
        x = (x @ weight.T).detach()
        values = np.linalg.eigvalsh(np.cov(x.numpy().T, bias=True)).clip(min=1e-300)
        shares = values / values.sum()
        wanted -= (shares * np.log(shares)).sum()
    assert score("az_nas", model, IMAGES.repeat(1, 2, 1, 1), seed=7)["expressivity"] == near(wanted)


def test_positions_of_the_coarser_grid_are_the_rows():
    fine = torch.arange(16.0).view(1, 16, 1)
    rows, coarse = align(fine, Feature(1, (4, 4)), torch.zeros(1, 4, 2), Feature(2, (2, 2)))
    assert rows.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert coarse.shape == (4, 2)
    back, kept = align(torch.zeros(1, 4, 2), Feature(2, (2, 2)), fine, Feature(1, (4, 4)))
    assert kept.tolist() == rows.tolist()
    assert back.shape == coarse.shape


def test_what_is_missing_at_the_edge_is_zero_and_extra_tokens_stand_apart():
    fine = torch.arange(1.0, 11).view(1, 10, 1)  # a token and 3×3 positions
    rows, _ = align(fine, Feature(1, (3, 3), ("cls",)), torch.zeros(1, 4, 1), Feature(1, (2, 2)))
    assert rows.tolist() == [[2, 3, 5, 6], [4, 0, 7, 0], [8, 9, 0, 0], [10, 0, 0, 0]]
    assert align(fine, Feature(1, (3, 3), ("cls",)), torch.zeros(1, 2, 1), Feature(1, count=2)) is None


def test_another_seed_draws_other_noise():
    model = net(LINEAR, depth=2, dim=3, channels=1, size=4)
    first, again, other = (score("az_nas", model, IMAGES, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first["expressivity"] != other["expressivity"]
    assert first["trainability"] != other["trainability"]


def test_the_images_are_only_counted():
    model = net(LINEAR, depth=2, dim=3, channels=1, size=4)
    assert score("az_nas", model, IMAGES) == score("az_nas", model, IMAGES + 3)
