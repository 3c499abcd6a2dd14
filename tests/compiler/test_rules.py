"""What the writer writes itself: windows in windows, and sizes that are read from the image."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d

import vitdsl
from tests.hybrids.checks import filled

NESTED = """
input: {{size: 8, channels: 2}}
classes: 0
stages: [{{body: [{{windows: 4, body: [{{windows: {{size: 2, shift: {shift}}}, conv: {{kernel: 3}}}}]}}]}}]
"""
WINDOWS = "{position: {type: learned, windows: 2, init: normal}}, "


@pytest.mark.parametrize("shift", [0, 1])
def test_windows_in_windows_close_one_after_another(shift: int) -> None:
    model = filled(vitdsl.build(vitdsl.load(NESTED.format(shift=shift))))
    weights = dict(model.named_parameters())
    weight, bias = (next(t for name, t in weights.items() if name.endswith(end)) for end in ("weight", "bias"))
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    y = torch.zeros_like(x)
    for row in range(0, 8, 4):
        for column in range(0, 8, 4):
            outer = x[:, :, row : row + 4, column : column + 4].roll((-shift, -shift), (2, 3))
            made = torch.zeros_like(outer)
            for r in (0, 2):
                for c in (0, 2):
                    made[:, :, r : r + 2, c : c + 2] = conv2d(
                        outer[:, :, r : r + 2, c : c + 2], weight, bias, padding=1
                    )
            y[:, :, row : row + 4, column : column + 4] = made.roll((shift, shift), (2, 3))
    with torch.no_grad():
        assert (model(x) - y).abs().max() <= 1e-9


@pytest.mark.parametrize("position", ["sinusoid", "sincos2d"])
def test_positions_are_added_to_the_grid_after_windows_close(position: str) -> None:
    spec = f"input: {{size: 4, channels: 8}}\nclasses: 0\nstages: [{WINDOWS}{{position: {position}}}]"
    model, alone = (vitdsl.build(vitdsl.load(text)).double().eval() for text in (spec, spec.replace(WINDOWS, "")))
    own = model.state_dict()["stages.0.position.weight"].reshape(2, 2, 8).permute(2, 0, 1).repeat(1, 2, 2)
    x = torch.randn(3, 8, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        assert (model(x) - alone(x + own)).abs().max() <= 1e-9


RESIZED = """
input: {size: 8}
classes: 0
stages: [{tokens: [cls], tokenizer: {type: patch, size: 2, dim: 3}, body: [{resize: {size: image, mode: nearest}}]}]
head: []
"""


def test_a_grid_becomes_as_large_as_the_image_that_enters() -> None:
    model = filled(vitdsl.build(RESIZED))
    patches = model.get_submodule("stages.0.tokenizer.0.conv")
    for height, width in ((8, 8), (12, 6)):
        x = torch.randn(2, 3, height, width, dtype=torch.float64)
        with torch.no_grad():
            found = model(x)[:, 1:].transpose(1, 2).unflatten(2, (height, width))
            assert torch.equal(found, patches(x).repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize("padding", ["same", 1])
def test_grids_after_an_unfold_are_read_from_the_image(padding: str | int) -> None:
    """Where the grid that an unfold leaves is met nowhere else, its size is computed from the map before it."""
    unfold = {"kernel": [3, 2], "stride": [2, 1], "padding": padding}
    body = [{"conv": {"dim": 4, "kernel": 1}}, {"unfold": unfold}, {"conv": {"dim": 5, "kernel": 1}}]
    model = filled(vitdsl.build({"input": {"size": 9}, "classes": 0, "stages": [{"tokenizer": body}], "head": []}))
    for height, width in ((9, 9), (10, 7)):
        graph = model.spec.graph((height, width))
        grid = next(node for _, node, _ in graph.frame.nodes() if node.op.type == "unfold").op.infer(
            graph.frame.features[0].with_dim(4)
        )
        with torch.no_grad():
            assert model(torch.randn(2, 3, height, width, dtype=torch.float64)).shape == (2, 5, *grid.grid)
