"""Layers against records of other people's operators, each behind a 1x1 convolution that makes the channels."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.parity import fingerprint
from vitdsl.layers.dynamic import BankConv2d, GeneratedDepthwise2d, PositionDepthwise2d
from vitdsl.layers.relative_2d import Relative2d

DYNAMIC = {
    "op_dynamic_conv2d": (
        lambda: BankConv2d(16, 24, 3, count=4, hidden=5, stride=2, padding=1, temperature=34.0),
        {
            "weight": "weight",
            "bias": "bias",
            "attention.fc1.weight": "reduce.weight",
            "attention.fc2.weight": "generate.weight",
            "attention.fc2.bias": "generate.bias",
        },
    ),
    "op_d_dw_conv": (
        lambda: GeneratedDepthwise2d(16, 5, hidden=4, padding=2),
        {"bias": "bias", "conv1": "reduce", "bn": "reduce.norm", "conv2": "generate"},
    ),
    "op_i_d_dw_conv": (
        lambda: PositionDepthwise2d(16, 5, hidden=4, groups=4),
        {"conv1.0": "reduce", "conv1.1": "reduce.norm", "conv2.0": "generate"},
    ),
}


def stem_and_rest(record: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
    """The map that the operator is given, and the operator's tensors under their own keys."""
    state = fingerprint.filled_state_dict(record["state"])
    x = torch.from_numpy(fingerprint.image(record["batch"], 3, *record["image_size"]))
    return F.conv2d(x, state.pop("0.weight")), {key.removeprefix("1."): value for key, value in state.items()}


def rename(state: dict[str, Tensor], table: dict[str, str]) -> dict[str, Tensor]:
    """Keys replaced whole, or their module replaced."""
    ours = {}
    for key, value in state.items():
        module, _, leaf = key.rpartition(".")
        ours[table[key] if key in table else f"{table[module]}.{leaf}"] = value
    return ours


@pytest.mark.parametrize("name", DYNAMIC)
def test_dynamic_convolutions(name: str) -> None:
    record = fingerprint.load(name)
    make, table = DYNAMIC[name]
    layer = make().double().eval()
    x, state = stem_and_rest(record)
    missing, unexpected = layer.load_state_dict(rename(state, table), strict=False)
    assert not unexpected
    assert all(key.endswith("num_batches_tracked") for key in missing)
    with torch.no_grad():
        fingerprint.assert_agrees(layer(x), record["outputs"]["logits"])
    stem = 3 * x.shape[1]
    assert sum(p.numel() for p in layer.parameters()) + stem == record["params"]


@pytest.mark.parametrize(
    ("name", "qkv", "tables", "scaled"),
    [
        ("op_bottleneck_attn_gist", "to_qkv.weight", ("pos_emb.rel_height", "pos_emb.rel_width"), True),
        ("op_bottleneck_attn_timm", "qkv.weight", ("pos_embed.height_rel", "pos_embed.width_rel"), False),
        ("op_bottleneck_attn_timm_scaled", "qkv.weight", ("pos_embed.height_rel", "pos_embed.width_rel"), True),
    ],
)
def test_relative_2d(name: str, qkv: str, tables: tuple[str, str], scaled: bool) -> None:
    record = fingerprint.load(name)
    x, state = stem_and_rest(record)
    grid, heads, head_dim = tuple(record["image_size"]), 4, 16
    layer = Relative2d(grid, head_dim).double()
    layer.height, layer.width = (nn.Parameter(state[key]) for key in tables)
    with torch.no_grad():
        maps = F.conv2d(x, state[qkv]).flatten(2).unflatten(1, (3, heads, head_dim)).transpose(3, 4)
        q, k, v = maps.unbind(1)
        scale = head_dim**-0.5
        logits = q @ k.transpose(2, 3) * scale + layer(q * scale if scaled else q)
        y = (logits.softmax(-1) @ v).transpose(2, 3).reshape(x.shape)
    fingerprint.assert_agrees(y, record["outputs"]["logits"])
