"""timm's models beside our specs, filled from their keys."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import timm
import torch
from torch import Tensor, nn

from tests.parity import fingerprint, zoo_isotropic


class Live(NamedTuple):
    """A model that timm builds.

    Attributes:
        name: timm's name.
        options: for `create_model`, where timm's default image is another than the authors'.
    """

    name: str
    options: Mapping[str, Any] = MappingProxyType({})


LIVE = {
    "deit_tiny": Live("deit_tiny_patch16_224"),
    "deit_tiny_distilled": Live("deit_tiny_distilled_patch16_224"),
    "cait_xxs24": Live("cait_xxs24_224"),
    "swin_tiny": Live("swin_tiny_patch4_window7_224"),
    # timm's takes 240 pixels and shrinks them for the large patches; the authors' takes 224 and enlarges them
    "crossvit_tiny": Live("crossvit_tiny_240", {"img_size": 224, "img_scale": (240 / 224, 1.0)}),
    "tnt_small": Live("tnt_s_patch16_224"),
    "levit_128s": Live("levit_128s"),
    **{spec: Live(name) for spec, name in zoo_isotropic.LIVE.items()},
}


def filled_model(live: Live) -> tuple[nn.Module, dict[str, Tensor]]:
    """timm's model in float64 and evaluation mode, every floating tensor from its key, and its state dict."""
    model = timm.create_model(live.name, **live.options).double().eval()
    state = {
        key: torch.from_numpy(np.ascontiguousarray(fingerprint.fill(key, tuple(tensor.shape))))
        if tensor.is_floating_point()
        else tensor
        for key, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model, state
