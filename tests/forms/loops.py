"""A model that is one item, and the plain loops that it is compared with.

Shapes: b batch, n queries, m keys, c channels; all in float64, one number at a time where that is readable.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

import vitdsl
from tests.hybrids.checks import filled

MODEL = """
input: {{size: [{height}, {width}], channels: {dim}}}
classes: 0
stages: [{{body: [{item}]}}]
head: {{layout: tokens}}
"""


class Case:
    """A model that is one item at a grid, its weights by their names below the item, and an image.

    Attributes:
        model: the model, in evaluation mode.
        x: what enters, as tokens (b, n, c).
        y: what comes out, as tokens.
    """

    def __init__(self, item: str, height: int = 4, width: int = 3, dim: int = 6) -> None:
        self.model = filled(vitdsl.build(vitdsl.load(MODEL.format(height=height, width=width, dim=dim, item=item))))
        image = torch.randn(2, dim, height, width, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        with torch.no_grad():
            self.y: Tensor = self.model(image)
        self.x = image.flatten(2).transpose(1, 2)
        if self.y.ndim == 4:
            self.y = self.y.flatten(2).transpose(1, 2)

    def __getitem__(self, key: str) -> Tensor:
        return self.model.state_dict()[f"stages.0.body.0.{key}"]

    def module(self, path: str) -> nn.Module:
        return self.model.get_submodule(f"stages.0.body.0.{path}")

    def linear(self, path: str, x: Tensor) -> Tensor:
        """What a linear map of the item makes of x."""
        y = torch.einsum("...c,dc->...d", x, self[f"{path}.weight"])
        known = self.model.state_dict()
        return y + self[f"{path}.bias"] if f"stages.0.body.0.{path}.bias" in known else y

    def equals(self, expected: Tensor) -> None:
        assert self.y.shape == expected.shape
        assert (self.y - expected).abs().max().item() <= 1e-9 * max(1.0, expected.abs().max().item())


Weigh = Callable[[list[float]], list[float]]


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    powers = [math.exp(value - top) for value in row]
    return [value / sum(powers) for value in powers]


def attend(
    q_bnc: Tensor, k_bmc: Tensor, v_bmc: Tensor, heads: int, weigh: Weigh = softmax, seen: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Attention, one query and one head at a time; `seen` (n, m) says which keys a query sees."""
    batch, queries, width = q_bnc.shape
    d, e = width // heads, v_bmc.shape[2] // heads
    y = torch.zeros(batch, queries, heads * e, dtype=torch.float64)
    for b in range(batch):
        for h in range(heads):
            for n in range(queries):
                keys = [m for m in range(k_bmc.shape[1]) if seen is None or bool(seen[n, m])]
                q = q_bnc[b, n, h * d : (h + 1) * d]
                row = [float(q @ k_bmc[b, m, h * d : (h + 1) * d]) / math.sqrt(d) for m in keys]
                if bias is not None:
                    row = [value + float(bias[h, n, m]) for value, m in zip(row, keys, strict=True)]
                for weight, m in zip(weigh(row), keys, strict=True):
                    y[b, n, h * e : (h + 1) * e] += weight * v_bmc[b, m, h * e : (h + 1) * e]
    return y


def sees(height: int, width: int, size: int, shift: int) -> Tensor:
    """Which positions of a grid see which others in shifted windows over the grid filled up: by their places alone."""

    def place(row: int, extent: int) -> tuple[int, bool]:
        full = -(-extent // size) * size
        moved = (row - shift) % full
        return moved // size, row - shift < 0  # the window, and whether the shift rolled it to the other side

    cells = [(row, column) for row in range(height) for column in range(width)]
    where = [(place(row, height), place(column, width)) for row, column in cells]
    return torch.tensor([[a == b for b in where] for a in where])


def grid(x_bnc: Tensor, height: int, width: int) -> Tensor:
    """Tokens as a map (b, c, height, width)."""
    return x_bnc.transpose(1, 2).unflatten(2, (height, width))


def convolve(x_bchw: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, groups: int) -> Tensor:
    """A convolution, one output at a time."""
    batch, _channels, height, width = x_bchw.shape
    out, each, kernel, _ = weight.shape
    rows, columns = ((extent + 2 * padding - kernel) // stride + 1 for extent in (height, width))
    y = torch.zeros(batch, out, rows, columns, dtype=torch.float64)
    for o in range(out):
        first = o // (out // groups) * each
        for r in range(rows):
            for s in range(columns):
                for i in range(kernel):
                    for j in range(kernel):
                        row, column = r * stride + i - padding, s * stride + j - padding
                        if 0 <= row < height and 0 <= column < width:
                            y[:, o, r, s] += (x_bchw[:, first : first + each, row, column] * weight[o, :, i, j]).sum(1)
        if bias is not None:
            y[:, o] += bias[o]
    return y


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-6) -> Tensor:
    """Layer norm of the last axis."""
    mean = x.mean(-1, keepdim=True)
    var = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(var + eps) * weight + bias


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))
