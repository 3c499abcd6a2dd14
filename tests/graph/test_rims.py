"""What `check` says of rims that are left out, and of images that are stretched."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

import vitdsl
from tests.zoo.specs import NAMES
from vitdsl.errors import SpecError
from vitdsl.graph.rims import left_out, stretched
from vitdsl.parts import windowing


@pytest.mark.parametrize("padding", range(3))
@pytest.mark.parametrize("kernel", range(1, 5))
def test_rows_left_out_are_those_without_a_gradient(kernel: int, padding: int) -> None:
    """Of rows behind the last window, where more of them are unread than between two windows."""
    for stride, side in itertools.product(range(1, 5), range(4, 14)):
        image = torch.zeros(1, 1, side, 1, requires_grad=True)
        weight = torch.ones(1, 1, kernel, 1)
        torch.conv2d(image, weight, None, (stride, 1), (padding, 0)).sum().backward()
        assert image.grad is not None
        unread = side - 1 - max(row for row in range(side) if image.grad[0, 0, row, 0] != 0)
        wanted = unread if unread > max(0, stride - kernel) else 0
        found = windowing.left_out((side, 1), (kernel, 1), (stride, 1), (padding, 0))
        assert found == (wanted, 0), (side, stride)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_specs_leave_nothing_out(name: str) -> None:
    graph = vitdsl.load(name).graph()
    assert left_out(graph) == stretched(graph) == {}


def spec(tokenizer: Any, size: Any) -> vitdsl.Spec:
    stages = [{"tokenizer": tokenizer, "body": ["mlp"]}]
    return vitdsl.load({"name": "s", "input": {"size": size}, "stages": stages, "head": {"pool": "mean"}})


def test_a_convolution_and_a_pool_are_warned_of() -> None:
    body = [{"conv": {"dim": 8, "kernel": 4, "stride": 4}}, {"pool": {"type": "max", "kernel": 2}}]
    graph = spec(body, [18, 20]).graph()
    assert left_out(graph) == {
        "stages.0.tokenizer.0.conv": ("the last 2 rows", "18x20"),
        "stages.0.tokenizer.1.pool": ("the last column", "4x5"),
    }


def test_an_image_of_another_aspect_is_warned_of() -> None:
    body = [{"resize": {"size": 16}}, {"type": "patch", "size": 4, "dim": 8}]
    assert stretched(spec(body, [32, 32]).graph()) == {}
    assert stretched(spec(body, [32, 24]).graph()) == {"stages.0.tokenizer.0.resize": ("32x24", "16x16")}


@pytest.mark.parametrize(
    ("tokenizer", "size", "near"),
    [
        ({"type": "patch", "size": 16, "dim": 8}, 230, "224x224 or 240x240"),
        ({"type": "patch", "size": [16, 8], "dim": 8}, [230, 63], "224x56 or 240x64"),
        ([{"conv": {"dim": 8, "kernel": 4, "stride": 4}}, {"type": "merge"}], 28, "24x24 or 32x32"),
        ({"type": "soft_split", "kernel": 7, "stride": 4, "padding": 2, "dim": 8}, 30, "29x29 or 31x31"),
        ({"type": "patch", "size": 16, "dim": 8}, [15, 32], ""),
    ],
)
def test_what_does_not_fit_names_the_nearest_sizes_that_do(tokenizer: Any, size: Any, near: str) -> None:
    with pytest.raises(SpecError) as refused:
        spec(tokenizer, size).graph()
    assert near in refused.value.problems[0].hint
    filled = (
        {**tokenizer, "fit": "pad"} if isinstance(tokenizer, dict) else [tokenizer[0], {**tokenizer[1], "fit": "pad"}]
    )
    assert spec(filled, size).graph().frame.cost.params
