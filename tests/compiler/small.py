"""The ten models with few blocks and small images, for tests of what compilers do with them."""

from __future__ import annotations

from typing import Any

import torch

import vitdsl
from vitdsl.compiler.model import VisionModel

SMALL: dict[str, dict[str, Any]] = {
    "deit_tiny_distilled": {"input.size": 64, "stages[0].depth": 2},
    "cvt13": {"input.size": 64, "stages[1].depth": 1, "stages[2].depth": 1},
    "t2t_vit_14": {"input.size": 64, "stages[2].depth": 1},
    "cait_xxs24": {"input.size": 64, "stages[0].depth": 1, "stages[1].depth": 1},
    "refiner_vit_s": {"input.size": 64, "stages[0].body[2].repeat": 1},
    "swin_tiny": {"input.size": 224, "stages[1].depth": 1, "stages[2].depth": 2, "stages[3].depth": 1},
    "crossvit_tiny": {"input.size": 64, "stages[0].tokenizer[0].resize.size": 72, "stages[2].depth": 1},
    "tnt_small": {"input.size": 64, "stages[2].depth": 1},
    "ceit_tiny": {"input.size": 64, "stages[0].depth": 2},
    "levit_128s": {
        "input.size": 128,
        "stages[0].body[0].repeat": 1,
        "stages[0].body[2].repeat": 1,
        "stages[0].body[4].repeat": 1,
    },
}
"""What is set: all that is left out is repetition."""
FEW = ["deit_tiny_distilled", "t2t_vit_14", "refiner_vit_s", "swin_tiny", "levit_128s"]
"""With everything that is no plain weight: fixed tables, features, carried maps, windows, gathered biases."""


def small(name: str) -> VisionModel:
    """A small model in evaluation mode, the same each time."""
    torch.manual_seed(0)
    return vitdsl.build(vitdsl.load(name, {**SMALL[name], "classes": 20})).eval()


def photos(model: VisionModel, batch: int = 2) -> torch.Tensor:
    """Noise of the size that the model takes."""
    height, width = model.spec.model.input.size
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def tensors_of(value: Any) -> list[torch.Tensor]:
    """One tensor, or the tensors of several streams."""
    return list(value.values()) if isinstance(value, dict) else [value]


def assert_same(a: VisionModel, b: VisionModel) -> None:
    """Equal weights and equal logits, of tensors that are not shared."""
    assert type(a).__name__ == type(b).__name__
    first, second = a.state_dict(), b.state_dict()
    assert list(first) == list(second)
    for key, tensor in first.items():
        assert torch.equal(tensor, second[key])
        assert tensor.data_ptr() != second[key].data_ptr()
    with torch.no_grad():
        assert torch.equal(a(photos(a)), b(photos(b)))
