"""Small models to export."""

from __future__ import annotations

from typing import Any

import torch

import vitdsl
from vitdsl.compiler.model import VisionModel

CONVOLUTIONS = {
    "name": "small",
    "classes": 5,
    "input": {"size": 32, "crop": 0.9},
    "stages": [
        {"tokenizer": [{"conv": {"dim": 8, "kernel": 3, "stride": 2, "norm": "batch", "activation": "relu"}},
                       {"type": "patch", "size": 8, "dim": 16}],
         "tokens": ["cls"], "position": "learned", "depth": 1,
         "block": [{"mixer": {"type": "global", "heads": 2}}, "mlp"]},
    ],
    "head": {"norm": "layer", "pool": "cls"},
}  # fmt: skip
"""A convolution with a batch norm, patches that must tile, a learned table, attention."""


def spec_of(**stage: Any) -> vitdsl.Spec:
    """The spec with other keys of its stage."""
    return vitdsl.load({**CONVOLUTIONS, "stages": [{**CONVOLUTIONS["stages"][0], **stage}]})


def model_of(spec: vitdsl.Spec) -> VisionModel:
    """A model in evaluation mode, whose batch norms have seen something."""
    torch.manual_seed(0)
    model = vitdsl.build(spec, training_outputs=False)
    with torch.no_grad():
        model.train()(torch.rand(4, 3, *model.image_size))
    return model.eval()
