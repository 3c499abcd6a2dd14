"""The printed graph is what bug reports quote: it is stable, to the letter."""

from __future__ import annotations

import vitdsl
from vitdsl.graph.axes import axes
from vitdsl.graph.printing import paths, text

SMALL = """
name: small
input: {size: 16}
classes: 5
define:
  half: {args: [channels], body: [{conv: {dim: $channels, kernel: 3, stride: 2, norm: batch}}]}
stages:
  - tokenizer: {use: half, channels: 8}
    tokens: [cls]
    depth: 2
    block: [{mixer: {type: global, heads: 2}}, {at: grid, mlp: {ratio: 2}}]
head: {norm: layer, pool: cls}
"""

PRINTED = """\
image 16x16·3
stages.0 (image 16x16·3 -> x cls+8x8·8)
  tokenizer.0.conv: 16x16·3 -> 8x8·8  params 224  macs 13,824
  tokenizer.0.conv.norm batch: 8x8·8 -> 8x8·8  params 16
  tokens: - -> cls·8  params 8
  join: cls·8, 8x8·8 -> cls+8x8·8
  block.0 x2 (x cls+8x8·8 -> x cls+8x8·8)
    0.pre layer: cls+8x8·8 -> cls+8x8·8  params 16
    0.mixer.qkv linear: cls+8x8·8 -> cls+8x8·24  params 216  macs 12,480
    sections: cls+8x8·24 -> cls+8x8·8
    sections: cls+8x8·24 -> cls+8x8·8
    sections: cls+8x8·24 -> cls+8x8·8
    0.mixer.attend: cls+8x8·8, cls+8x8·8, cls+8x8·8 -> cls+8x8·8  macs 67,600
    0.mixer.out linear: cls+8x8·8 -> cls+8x8·8  params 72  macs 4,160
    combine: cls+8x8·8, cls+8x8·8 -> cls+8x8·8
    take: cls+8x8·8 -> 8x8·8
    1.pre layer: 8x8·8 -> 8x8·8  params 16
    1.mlp.fc1 linear: 8x8·8 -> 8x8·16  params 144  macs 8,192
    1.mlp.activation gelu: 8x8·16 -> 8x8·16
    1.mlp.fc2 linear: 8x8·16 -> 8x8·8  params 136  macs 8,192
    combine: 8x8·8, 8x8·8 -> 8x8·8
    put: cls+8x8·8, 8x8·8 -> cls+8x8·8
head (x cls+8x8·8 -> @logits cls·5)
  norm layer: cls+8x8·8 -> cls+8x8·8  params 16
  take: cls+8x8·8 -> cls·8
  classifier linear: cls·8 -> cls·5  params 45  macs 40
evaluation logits·1 cls·5
params 1,509 trainable 1,509 macs 215,112
"""


def test_the_printed_graph() -> None:
    printed = text(vitdsl.load(SMALL).graph())
    assert printed.splitlines() == PRINTED.splitlines()


def test_paths_pair_what_is_written_with_modules() -> None:
    assert paths(vitdsl.load(SMALL)) == [
        ("define.half.body[0].conv", "stages.0.tokenizer.0.conv"),
        ("stages[0].tokens", "stages.0.tokens"),
        ("stages[0].block[0].mixer", "stages.0.block.{n}.0.mixer"),
        ("stages[0].block[0].pre", "stages.0.block.{n}.0.pre"),
        ("stages[0].block[1].mlp", "stages.0.block.{n}.1.mlp"),
        ("stages[0].block[1].pre", "stages.0.block.{n}.1.pre"),
        ("head.norm", "head.norm"),
        ("head.pool", "head.classifier"),
    ]


def test_axes_show_transformers_and_dynamic_convolutions_in_one_table() -> None:
    mixed = {
        "input": {"size": 16},
        "stages": [
            {"tokenizer": {"type": "patch", "size": 2, "dim": 8}},
            {"body": [
                {"mixer": {"type": "windowed", "windows": 4, "heads": 2, "position": "relative_bias"}},
                {"mixer": {"type": "lowrank", "rank": 6, "heads": 2, "share": True}},
                {"mixer": {"type": "depthwise"}},
                {"mixer": {"type": "global", "activation": "relu", "normalize": "tokens"}},
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
