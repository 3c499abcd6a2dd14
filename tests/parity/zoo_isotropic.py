"""ViT, DeiT and their kin: records, what is looked at inside, and small versions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.parity.taps import EMBED, Tap, flat

RECORDS = {
    "deit3_small": "deit3_small",
    "deit_small_18x2": "deit_small_18x2_ls",
    "t2t_vit_7": "t2t_vit_7",
    "t2t_vit_t_14": "t2t_vit_t_14",
    "t2t_vit_14_se": "t2t_vit_14_se",
    "t2t_vit_16_ghost": "t2t_vit_16_ghost",
    "t2t_vit_dense": "t2t_vit_dense",
    "deepvit_16b": "deepvit_16b",
    "deepvit_s": "deepvit_s",
    "refiner_vit_s_nodense": "refiner_vit_s_nodense",
    "lvvit_t": "lvvit_t",
    "lvvit_s": "lvvit_s",
    "cct_7_3x1_32": "cct_7_3x1_32",
    "cct_14_7x2_224": "cct_14_7x2_224",
    "compact_vit_7_4_32": "cvt_7_4_32",
    "vit_lite_7_4_32": "vit_7_4_32",
    "vit_lite_7_4_32_sine": "vit_7_4_32_sine",
    "cpvt_tiny": "cpvt_ti",
    "cpvt_tiny_gap": "cpvt_ti_gap",
    "patchvit_small": "patchvit_small",
    "linformer_vit_small": "linformer_vit_s16_k64",
    "linformer_vit_small_sharekv": "linformer_vit_s16_k64_sharekv",
    "simple_vit_small16": "simple_vit_s16",
}
"""The record of each spec."""


def attention(qkv_bnc: Tensor) -> Tensor:
    """Maps of 12 heads out of what one linear map makes: ours computes them in one with the values' sum."""
    b, n, c = qkv_bnc.shape
    q, k, _ = qkv_bnc.view(b, n, 3, 12, c // 36).permute(2, 0, 3, 1, 4)
    return torch.softmax(q @ k.transpose(-2, -1) * (c // 36) ** -0.5, dim=-1)


def twice(x_bnc: Tensor) -> Tensor:
    """`pre` is given half of the stream."""
    return 2 * x_bnc


T2T = {
    "t2t_attention1": Tap("stages.1.tokenizer.0.unfold", entering=True, turn=flat),
    "tokens": Tap("stages.2.tokenizer.1.linear"),
    "block0": Tap("stages.2.block.0"),
}
PROBED = T2T | {"t2t_attention2": Tap("stages.2.tokenizer.0.unfold", entering=True, turn=flat)}
LVVIT = {"embed": Tap("stages.0.tokenizer.3.conv"), "block0": Tap("stages.1.block.0")}
TAPS: dict[str, dict[str, Tap]] = {
    "deit3_small": {"embed": EMBED, "block0": Tap("stages.0.block.0")},
    "t2t_vit_7": PROBED,
    "t2t_vit_t_14": T2T,
    "t2t_vit_14_se": PROBED,
    "t2t_vit_16_ghost": PROBED,
    "t2t_vit_dense": PROBED | {"block0": Tap("stages.2.body.0.0")},
    "deepvit_16b": {
        "embed": EMBED,
        "block0_attn": Tap("stages.0.block.0.0.mixer.gather", entering=True),
        "block0": Tap("stages.0.block.0"),
        "last_attn_map": Tap("stages.0.block.15.0.mixer.gather", entering=True),
        "last_block": Tap("stages.0.block.15"),
    },
    "deepvit_s": {
        "embed": Tap("stages.0.tokenizer.2.conv", turn=flat),
        "block0_attn": Tap("stages.0.body.0.0.0.mixer.qkv", turn=attention),
        "block0": Tap("stages.0.body.0.0"),
        "last_attn_map": Tap("stages.0.body.1.4.0.mixer.gather", entering=True),
        "last_block": Tap("stages.0.body.1.4"),
    },
    "refiner_vit_s_nodense": {
        "embed": Tap("stages.0.tokenizer.3.conv"),
        "block0_attn": Tap("stages.0.body.0.0.mixer.gather", entering=True),
        "block0": Tap("stages.0.body.1.0.pre", entering=True, turn=twice),
        "block1_dla": Tap("stages.0.body.1.0.mixer.maps.after.1.norm", entering=True),
        "block1": Tap("stages.0.body.2.0.0.0.pre", entering=True, turn=twice),
        "block2_attn": Tap("stages.0.body.2.0.0.0.mixer.gather", entering=True),
    },
    "lvvit_t": LVVIT,
    "lvvit_s": LVVIT,
    "patchvit_small": {"embed": EMBED, "block0": Tap("stages.1.block.0")},
}
"""The recorded values inside each model that has them."""

TRAINED = {
    "refiner_vit_s": {"cls": ("outputs", "cls_logits"), "token_logits": ("outputs", "aux_logits")},
    "deit_tiny_distilled": {"cls": ("taps", "head"), "dist": ("taps", "head_dist")},
    "lvvit_t": {"cls": ("outputs", "cls_logits"), "token_logits": ("outputs", "aux_logits")},
    "lvvit_s": {"cls": ("outputs", "cls_logits"), "token_logits": ("outputs", "aux_logits")},
    "patchvit_small": {"cls": ("outputs", "logits"), "patch": ("outputs", "patch_logits")},
}
"""Where the record has what training returns."""

MIXED = {
    spec: ("stages.0.tokenizer.3.conv", {"cls": "mix_cls_logits", "token_logits": "mix_aux_logits"})
    for spec in ("lvvit_t", "lvvit_s")
}
"""The module whose output `mix_token` marks, and what training returns when its tokens in BOX are another image's."""
BOX = (slice(None), slice(None), slice(3, 10), slice(2, 9))

UNCOUNTED = {"t2t_vit_16_ghost": 16 * 197 * (3 * 192 + 2 * 384)}
"""Multiply-adds that the authors count and we do not: their copies are convolutions of one channel and kernel 1."""

SIDE = {"input.size": 48}
TINY = SIDE | {"vars.channels": 24}
T2T_SMALL = {"input.size": 64, "vars.channels": 48, "vars.layers": 2}
CCT_SMALL = {"input.size": 16, "vars.channels": 24, "vars.layers": 2}
LVVIT_SMALL = {"input.size": 32, "vars.channels": 48, "vars.layers": 2, "vars.stem": 8}
LINFORMER_SMALL = {"input.size": 48, "stages[0].depth": 2, "stages[0].tokenizer[2].linear": 48}
SMALL: dict[str, dict[str, Any]] = {
    "vit_base16": TINY | {"vars.layers": 2},
    "deit3_small": SIDE | {"vars.channels": 48, "stages[0].depth": 2},
    "deit_small_18x2": SIDE | {"stages[0].tokenizer.dim": 48, "stages[0].depth": 2},
    "t2t_vit_7": T2T_SMALL,
    "t2t_vit_t_14": T2T_SMALL,
    "t2t_vit_14_se": T2T_SMALL,
    "t2t_vit_16_ghost": T2T_SMALL,
    "t2t_vit_dense": {"input.size": 64, "vars.channels": 32, "vars.growth": 32},
    "deepvit_16b": SIDE | {"stages[0].tokenizer.dim": 48, "vars.layers": 2},
    "deepvit_s": {"input.size": 32, "stages[0].tokenizer.channels": [8, 8, 48], "vars.plain": 2, "vars.mixed": 2},
    "refiner_vit_s_nodense": {"input.size": 32, "stages[0].tokenizer.channels": [8, 8, 16, 48], "vars.pairs": 3},
    "lvvit_t": LVVIT_SMALL,
    "lvvit_s": LVVIT_SMALL,
    "cct_7_3x1_32": CCT_SMALL,
    "cct_14_7x2_224": {"input.size": 64, "vars.channels": 24, "vars.layers": 2, "vars.stem": [8, 24]},
    "compact_vit_7_4_32": CCT_SMALL,
    "vit_lite_7_4_32": CCT_SMALL,
    "vit_lite_7_4_32_sine": CCT_SMALL,
    "cpvt_tiny": TINY,
    "cpvt_tiny_gap": TINY,
    "patchvit_small": SIDE | {"vars.channels": 48, "vars.layers": 2},
    "linformer_vit_small": LINFORMER_SMALL,
    "linformer_vit_small_sharekv": LINFORMER_SMALL,
    "simple_vit_small16": SIDE | {"stages[0].tokenizer.dim": 48, "stages[0].depth": 2},
}
"""Fewer blocks, channels and pixels than the spec has."""

SCALED = dict.fromkeys(("t2t_vit_7", "t2t_vit_14_se", "t2t_vit_16_ghost", "t2t_vit_dense"), ("kqv", 0.25))
"""As drawn, a performer's kernels vanish; the records' probes scale these tensors likewise."""
