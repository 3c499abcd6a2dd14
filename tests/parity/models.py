"""The models that are compared: names of their records, state dicts filled from keys, and where the records look."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

import vitdsl
from tests.parity import fingerprint, zoo_isotropic
from tests.parity.taps import EMBED, Tap, flat, only
from vitdsl.compiler.model import VisionModel

RECORDS = {
    "deit_tiny": "deit_tiny",
    "deit_tiny_distilled": "deit_tiny_distilled",
    "cvt13": "cvt_13",
    "t2t_vit_14": "t2t_vit_14",
    "cait_xxs24": "cait_xxs24_224",
    "refiner_vit_s": "refiner_vit_s",
    "swin_tiny": "swin_tiny_patch4_window7_224",
    "crossvit_tiny": "crossvit_tiny_224",
    "tnt_small": "tnt_s_patch16_224",
    "ceit_tiny": "ceit_tiny",
    "levit_128s": "levit_128s",
    **zoo_isotropic.RECORDS,
}
"""The record of each spec."""

TAPS: dict[str, dict[str, Tap]] = {
    "deit_tiny": {
        "embed": EMBED,
        "block0": Tap("stages.0.block.0"),
        "head": Tap("head.classifier", turn=only),
    },
    "deit_tiny_distilled": {
        "embed": EMBED,
        "block0": Tap("stages.0.block.0"),
        "head": Tap("head.classifier.cls", turn=only),
        "head_dist": Tap("head.classifier.dist", turn=only),
    },
    "t2t_vit_14": {
        "t2t_attention1": Tap("stages.1.tokenizer.0.unfold", entering=True, turn=flat),
        "t2t_attention2": Tap("stages.2.tokenizer.0.unfold", entering=True, turn=flat),
        "tokens": Tap("stages.2.tokenizer.1.linear"),
        "block0": Tap("stages.2.block.0"),
    },
    "cait_xxs24": {
        "embed": EMBED,
        "block0": Tap("stages.0.block.0"),
        "cls0": Tap("stages.1.block.0", turn=lambda x_bnc: x_bnc[:, :1]),
    },
    "refiner_vit_s": {
        "embed": Tap("stages.0.tokenizer.3.conv"),
        "block0_attn": Tap("stages.0.body.0.0.mixer.gather", entering=True),
        # `pre` is given half of the stream
        "block0": Tap("stages.0.body.1.0.pre", entering=True, turn=lambda x_bnc: 2 * x_bnc),
        "block1_dla": Tap("stages.0.body.1.0.mixer.maps.after.1.norm", entering=True),
        "block1": Tap("stages.0.body.2.0.0.0.pre", entering=True, turn=lambda x_bnc: 2 * x_bnc),
        "block2_attn": Tap("stages.0.body.2.0.0.0.mixer.gather", entering=True),
    },
    **zoo_isotropic.TAPS,
}
"""The recorded values inside each model that has them."""


LIGHT = 2_000_000_000
"""Multiply-adds of what is computed by default; larger models are compared under `full`."""


def light(specs: list[str]) -> list[str]:
    """Those of few multiply-adds."""
    return [spec for spec in specs if vitdsl.load(spec).analyze().macs <= LIGHT]


@lru_cache(maxsize=4)
def filled(spec: str) -> dict[str, Tensor]:
    """The authors' state dict of a spec, each tensor from its key; never changed."""
    return fingerprint.filled_state_dict(fingerprint.load(RECORDS[spec])["state"])


@lru_cache(maxsize=4)
def loaded(spec: str) -> VisionModel:
    """Our model with those weights, in float64 and evaluation mode; tests that change it change it back."""
    model = vitdsl.build(spec, device="meta").double()
    vitdsl.load_weights(model, filled(spec), "official")
    return model.eval()


def image(record: dict[str, Any]) -> Tensor:
    """The images of a record."""
    return torch.from_numpy(fingerprint.image(record["batch"], 3, *record["image_size"]))


def run(model: nn.Module, x: Tensor, taps: dict[str, Tap]) -> tuple[Tensor, dict[str, Tensor]]:
    """What a model returns, and what it passes at the taps."""
    seen: dict[str, Tensor] = {}
    handles = []
    for name, tap in taps.items():

        def entering(module: nn.Module, given: tuple[Any, ...], name: str = name, tap: Tap = tap) -> None:
            seen[name] = tap.turn(given[0]).clone()

        def leaving(module: nn.Module, given: Any, value: Any, name: str = name, tap: Tap = tap) -> None:
            seen[name] = tap.turn(value).clone()

        module = model.get_submodule(tap.path)
        hook = module.register_forward_pre_hook(entering) if tap.entering else module.register_forward_hook(leaving)
        handles.append(hook)
    try:
        with torch.no_grad():
            return model(x), seen
    finally:
        for handle in handles:
            handle.remove()
