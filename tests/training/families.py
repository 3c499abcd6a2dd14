"""Families of the zoo at a tiny size: shipped specs with values put in, for 16 or 32 grey pixels and ten classes."""

from typing import Any

GREY_16 = {
    "input.size": 16,
    "input.channels": 1,
    "input.mean": "half",
    "input.std": "half",
    "input.crop": 1,
    "classes": 10,
}
GREY_32 = {**GREY_16, "input.size": 32}
FAMILIES: dict[str, dict[str, Any]] = {
    "vit_tiny16": {**GREY_16, "vars.patch": 4, "vars.channels": 48, "vars.layers": 3},
    "deit_tiny_distilled": {**GREY_16, "stages[0].tokenizer.size": 4, "vars.channels": 48, "stages[0].depth": 3},
    "cait_xxs24": {**GREY_16, "stages[0].tokenizer.size": 4, "vars.channels": 48, "vars.layers": 3, "vars.scale": 0.1},
    "cct_2_3x2_32": {"input.size": 16, "input.channels": 1, "input.mean": "half", "input.std": "half"},
    "pit_ti": {**GREY_16, "vars.channels": 16, "vars.patch": 4, "vars.stride": 2, "vars.depths": [1, 1, 1]},
    "lvvit_t": {
        **GREY_32, "vars.channels": 48, "vars.layers": 3, "vars.stem": 16, "stages[0].tokenizer.stride": [2, 1, 1, 4],
        "stages[0].tokenizer.kernel": [7, 3, 3, 4],
    },
    "deepvit_s": {
        **GREY_16, "vars.channels": 48, "vars.plain": 2, "vars.mixed": 1, "stages[0].tokenizer.channels": [16, 16, 48],
        "stages[0].tokenizer.stride": [2, 1, 2], "stages[0].tokenizer.kernel": [7, 3, 2],
    },
    "convnext_tiny": {
        **GREY_32, "define.block.body[0].layer_scale": 0.1,
        "stages": [
            {"tokenizer": {"type": "patch", "size": 4, "dim": 24, "norm": "layer"}, "depth": 2,
             "block": {"use": "block"}},
            {"tokenizer": {"use": "down"}, "depth": 2, "block": {"use": "block"}},
        ],
    },
    "cvt13": {
        **GREY_32, "stages[0].tokenizer.conv.dim": 16, "stages[1].tokenizer.conv.dim": 48, "stages[2].depth": 1,
        "stages[1].depth": 1, "stages[2].tokenizer.conv.dim": 96,
    },
    "pvt_tiny": {
        **GREY_32, "stages[0].tokenizer.dim": 16, "stages[1].tokenizer.dim": 32, "stages[2].tokenizer.dim": 40,
        "stages[3].tokenizer.dim": 64, "stages[0].block.stride": 4, "stages[1].block.stride": 2,
        "stages[2].block.stride": 1, "stages[0].depth": 1, "stages[1].depth": 1, "stages[2].depth": 1,
    },
    "levit_128s": {**GREY_32, "vars.widths": [32, 48, 64], "vars.depths": [1, 1, 1], "vars.heads": [2, 3, 4]},
    "resnet18": {**GREY_16, "vars.depths": [1, 1, 1, 1]},
    "mobilenet_v2": {**GREY_32},
}  # fmt: skip
