"""The fourteen models that timm has too, for comparisons with it."""

from __future__ import annotations

import os
from typing import Any

import timm
import torch
from torch import nn

import vitdsl

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "vit_small16": ("vit_small_patch16_224", {}),
    "deit_tiny": ("deit_tiny_patch16_224", {}),
    "deit3_small": ("deit3_small_patch16_224", {}),
    "cait_xxs24": ("cait_xxs24_224", {}),
    "pit_s": ("pit_s_224", {}),
    "crossvit_15": ("crossvit_15_240", {"img_size": 224, "img_scale": (240 / 224, 1.0)}),
    "tnt_small": ("tnt_s_patch16_224", {}),
    "twins_svt_small": ("twins_svt_small", {}),
    "twins_pcpvt_small": ("twins_pcpvt_small", {}),
    "levit_256": ("levit_256", {}),
    "swin_tiny": ("swin_tiny_patch4_window7_224", {}),
    "convnext_tiny": ("convnext_tiny", {}),
    "resnet50": ("resnet50", {}),
    "mobilenet_v2": ("mobilenetv2_100", {}),
}
"""Our spec: timm's name, and options for images of our size."""
SAME = 1e-4
"""How far the logits of a pair may lie apart, in float32, as a part of the largest one."""


def theirs(spec: str) -> nn.Module:
    """timm's model."""
    name, options = MODELS[spec]
    return timm.create_model(name, **options)


def pair_of(spec: str) -> tuple[nn.Module, nn.Module]:
    """timm's model and ours in evaluation mode, with timm's weights in both, neither with stochastic depth.

    Raises:
        AssertionError: they do not give the same logits, so there is nothing to compare.
    """
    torch.manual_seed(0)
    first, second = theirs(spec).eval(), vitdsl.build(vitdsl.load(spec, {"drop_path": None}))
    vitdsl.load_weights(second, first.state_dict())
    second.eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        expected = first(images)
        apart = ((expected - second(images)).abs().max() / expected.abs().max()).item()
    assert apart < SAME, f"{spec}: the logits are {apart} apart"
    return first, second


def versions() -> str:
    """The versions, and how busy the machine is."""
    return f"torch {torch.__version__}, timm {timm.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
