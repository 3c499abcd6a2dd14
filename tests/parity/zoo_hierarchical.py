"""The hierarchical and hybrid specs: records, and small versions."""

from __future__ import annotations

from typing import Any

RECORDS = {
    "swin_tiny": "swin_tiny_patch4_window7_224",
    "convnext_tiny": "convnext_tiny",
    "resnet50": "tv_resnet50",
    "mobilenet_v2": "tv_mobilenet_v2",
    "pvt_tiny": "pvt_tiny",
    "twins_pcpvt_small": "pcpvt_small",
    "twins_svt_small": "alt_gvt_small",
    "pit_ti": "pit_ti",
    "pit_ti_distilled": "pit_ti_distilled",
    "levit_128s": "levit_128s",
    "levit_256_nodistill": "levit_256_nodistill",
    "crossvit_tiny": "crossvit_tiny_224",
    "crossvit_9_dagger": "crossvit_9_dagger_224",
    "cvt13": "cvt_13",
    "ceit_tiny": "ceit_tiny",
    "tnt_small": "tnt_s_patch16_224",
    "botnet50": "botnet50_gist",
    "botnet50_s1": "botnet50_s1_paper",
    "dwnet_tiny": "dwnet_tiny",
    "dynamic_dwnet_tiny": "dynamic_dwnet_tiny",
    "inhomogeneous_dwnet_tiny": "i_dynamic_dwnet_tiny",
    "dynamic_resnet18": "dy_resnet18_kaijieshi7",
    "vt_resnet18": "vt_resnet18_bocharnikov",
}
"""The record of each spec."""


def widths(key: str, *channels: int) -> dict[str, int]:
    """A number for each stage, in order."""
    return {f"stages[{stage}].{key}": value for stage, value in enumerate(channels)}


SIDE = {"input.size": 64}
DW = SIDE | {"stages[0].tokenizer.dim": 16, "stages[2].depth": 2}
PYRAMID = (8, 16, 20, 32)
RESNET = SIDE | {"vars.depths": [2, 2, 2, 2]} | widths("body.channels", 8, 16, 24, 32)
BOTNET = (
    SIDE
    | widths("body.channels", 8, 16, 24)
    | widths("body.count", 2, 2, 2)
    | {
        "define.bot.body[0].body[0].conv.dim": 16,
        "define.bot.body[0].body[5].conv.dim": 64,
        "stages[3].body[0].shortcut[0].conv.dim": 64,
    }
)
LEVIT = {
    "input.size": 160,
    "stages[0].tokenizer[6].channels": 32,
    "stages[0].body[1].channels": 48,
    "stages[0].body[2].repeat": 2,
    "stages[0].body[3].channels": 64,
    "stages[0].body[4].repeat": 2,
}
# its table has the grid's 27 rows and columns
PIT = {"input.size": 60, "vars.patch": 8, "vars.stride": 2, "vars.channels": 16, "vars.depths": [2, 2, 2]}
SMALL: dict[str, dict[str, Any]] = {
    "convnext_tiny": DW,
    "resnet50": RESNET,
    "mobilenet_v2": SIDE,
    "pvt_tiny": SIDE | widths("tokenizer.dim", *PYRAMID),
    "twins_pcpvt_small": SIDE | widths("channels", *PYRAMID) | widths("depth", 2, 2, 2, 2),
    "twins_svt_small": SIDE
    | {
        "vars.channels": [8, 16, 24, 32],
        "vars.heads": [2, 4, 4, 8],
        "stages[2].pairs": 2,
        "define.local.body[0].mixer.windows": 2,
    },
    "pit_ti": PIT,
    "pit_ti_distilled": PIT,
    "levit_128s": LEVIT,
    "levit_256_nodistill": LEVIT | {"stages[0].body[0].repeat": 2},
    "crossvit_9_dagger": {
        "input.size": 48,
        "stages[0].tokenizer[0].resize.size": 48,
        "vars.small": 24,
        "vars.large": 48,
        "vars.blocks": 2,
        "stages[2].depth": 2,
    },
    "botnet50": BOTNET,
    "botnet50_s1": BOTNET,
    "dwnet_tiny": DW,
    "dynamic_dwnet_tiny": DW,
    "inhomogeneous_dwnet_tiny": DW | {"stages[0].tokenizer.dim": 32},
    "dynamic_resnet18": SIDE | {f"stages[{stage}].body.channels": 12 * (stage + 1) for stage in (1, 2, 3)},
    "vt_resnet18": SIDE | {"stages[1].body.channels": 16, "stages[2].body.channels": 24, "vars.channels": 24},
}
"""Fewer blocks, channels and pixels than the spec has."""
SLOW = frozenset({*SMALL, "crossvit_tiny", "t2t_vit_dense", "cvt13"})
"""Whose tensors and pairs are many, or whose forward is slow even when it is small."""

SCALED = {"dynamic_resnet18": ("conv", 5.0)}
"""As drawn, banks of kernels are too small by the root of their width, and sixteen of them leave no image."""
