"""The table of mixers and dynamic convolutions."""

from __future__ import annotations

import vitdsl
from vitdsl.graph.axes import axes


def test_axes_show_transformers_and_dynamic_convolutions_in_one_table() -> None:
    mixed = {
        "input": {"size": 16},
        "stages": [
            {"tokenizer": {"type": "patch", "size": 2, "dim": 8}},
            {"body": [
                {"mixer": {"type": "windowed", "windows": 4, "heads": 2, "position": "relative_bias"}},
                {"mixer": {"type": "lowrank", "rank": 6, "heads": 2, "share": True}},
                {"mixer": {"type": "depthwise", "heads": 1}},
                {"mixer": {"type": "global", "heads": 1, "activation": "relu", "normalize": "tokens"}},
                {"conv": {"kernel": 3, "kernels": {"count": 4, "temperature": 30.0}}},
                {"conv": {"kernel": 7, "kernels": {"by": "position", "groups": 2}}},
            ]},
        ],
        "head": {"pool": "mean"},
    }  # fmt: skip
    rows = [tuple(row.values())[1:] for row in axes(vitdsl.load(mixed).graph())]
    assert rows == [
        ("16 tokens", "own window of 4x4·8", "point-wise, 2 heads", "softmax + relative_bias", "1x1"),
        ("6 tokens by token_linear", "all", "point-wise, 2 heads", "softmax", "1x1"),
        ("64 tokens", "all", "depth-wise", "none", "1x1"),
        ("64 tokens", "all", "point-wise, 1 heads", "relu / tokens", "1x1"),
        ("4 learned kernels", "per image", "full", "softmax / 30", "3x3"),
        ("generated, reduction 4", "per position", "depth-wise", "none", "7x7"),
    ]
