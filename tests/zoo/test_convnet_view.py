"""ViTs as ConvNets with dynamic convolutions: a block of each spec against plain loops over queries, keys and heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import vitdsl


class Case(NamedTuple):
    """One block of a spec.

    Attributes:
        spec: its name.
        block: the module's path.
        size: of the image.
        activation: what stands in softmax's place, of the logits that a query sees; None in a depth-wise mixer.
        window: of the mixers; None where all keys are seen.
        shift: of the windows.
    """

    spec: str
    block: str
    size: int
    activation: Callable[[np.ndarray], np.ndarray] | None
    window: int | None = None
    shift: int = 0


def relu_by_tokens(logits: np.ndarray) -> np.ndarray:
    return np.maximum(logits, 0) / len(logits)


def norm_by_root(logits: np.ndarray) -> np.ndarray:
    return (logits - logits.mean()) / np.sqrt(logits.var() + 1e-5) / np.sqrt(len(logits))


def none_by_tokens(logits: np.ndarray) -> np.ndarray:
    return logits / len(logits)


CASES = [
    Case("relu_deit_tiny", "stages.0.block.1", 48, relu_by_tokens),
    Case("layernorm_deit_tiny", "stages.0.block.1", 48, norm_by_root),
    Case("none_deit_tiny", "stages.0.block.1", 48, none_by_tokens),
    Case("depthwise_deit_tiny", "stages.0.block.1", 48, None),
    Case("relu_swin_tiny", "stages.0.block.0", 112, relu_by_tokens, 7),
    Case("relu_swin_tiny", "stages.0.block.1", 112, relu_by_tokens, 7, 3),
    Case("depthwise_swin_tiny", "stages.0.block.0", 112, None, 7),
    Case("depthwise_swin_tiny", "stages.0.block.1", 112, None, 7, 3),
]


PADDED = {"stages[3].tokenizer": {"type": "merge", "fit": "pad"}}
SETTINGS = {"relu_swin_tiny": PADDED, "depthwise_swin_tiny": PADDED}
"""Of 112 pixels a 7×7 grid is left, which windows of 2×2 do not tile."""


def tokens(value: Any) -> Tensor:
    """A map as tokens."""
    return value.flatten(2).transpose(1, 2) if value.ndim == 4 else value


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.spec} {case.block}")
def test_block_is_the_loop(case: Case) -> None:
    torch.manual_seed(0)
    model = (
        vitdsl.build(vitdsl.load(case.spec, {"input.size": case.size, "classes": 3, **SETTINGS.get(case.spec, {})}))
        .double()
        .eval()
    )
    block = model.get_submodule(case.block)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.2 if parameter.ndim < 2 else parameter[0].numel() ** -0.5)
    seen: dict[str, Tensor] = {}
    block.register_forward_hook(lambda module, given, value: seen.update(x=tokens(given[0]), y=tokens(value)))
    with torch.no_grad():
        model(torch.randn(1, 3, case.size, case.size).double())
        weights = dict(block.named_parameters())
        expected = looped(seen["x"], weights, case)
    assert (seen["y"] - expected).abs().max() <= 1e-12 * expected.abs().max()


def looped(x_bnc: Tensor, weights: dict[str, Tensor], case: Case) -> Tensor:
    """The whole block, its mixer in loops."""

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        eps = 1e-5 if "swin" in case.spec else 1e-6
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps)

    made = "qkv" if case.activation else "qk"
    parts = linear(norm(x_bnc, "0.pre"), f"0.mixer.{made}")[0].chunk(len(made), -1)
    q, k, *values = (part.numpy() for part in parts)
    table = weights.get("0.mixer.position.weight")
    mixed = mix(q, k, values[0] if values else None, None if table is None else table.numpy(), case)
    x_bnc = x_bnc + linear(torch.from_numpy(mixed)[None], "0.mixer.out")
    return x_bnc + linear(F.gelu(linear(norm(x_bnc, "1.pre"), "1.mlp.fc1")), "1.mlp.fc2")


def mix(q: np.ndarray, k: np.ndarray, v: np.ndarray | None, table: np.ndarray | None, case: Case) -> np.ndarray:
    """Every query of every head by itself: which keys it sees, how it weighs them, what it makes of them."""
    count, dim = q.shape
    heads, side = 3, int(count**0.5)
    width = dim // heads
    reach = case.window or side
    y = np.zeros_like(q)
    places = [place(index, side, case) for index in range(count)]
    for i in range(count):
        keys = [j for j in range(count) if case.window is None or places[i][0] == places[j][0]]
        for h in range(heads):
            part = slice(h * width, (h + 1) * width)
            positions = np.zeros(len(keys))
            if table is not None:
                (row, column), edge = places[i][1], reach - 1
                away = [(row - places[j][1][0] + edge, column - places[j][1][1] + edge) for j in keys]
                positions = np.array([table[down * (2 * reach - 1) + right, h] for down, right in away])
            if v is None:
                y[i, part] = q[i, part] * np.mean([k[j, part] for j in keys], 0)
                y[i, part] += sum(p * k[j, part] for p, j in zip(positions, keys, strict=True))
            else:
                assert case.activation is not None
                logits = np.array([q[i, part] @ k[j, part] for j in keys]) * width**-0.5 + positions
                weighed = zip(case.activation(logits), keys, strict=True)
                y[i, part] = sum(weight * v[j, part] for weight, j in weighed)
    return y


def place(index: int, side: int, case: Case) -> tuple[tuple[int, ...], tuple[int, int]]:
    """What positions that see each other have in common, and where a position is, in the rolled grid."""
    rolled = [(coordinate - case.shift) % side for coordinate in divmod(index, side)]
    window = case.window or side
    wrapped = [coordinate >= side - case.shift for coordinate in rolled]
    return (*(coordinate // window for coordinate in rolled), *wrapped), (rolled[0], rolled[1])
