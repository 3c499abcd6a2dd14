"""Activations."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Feature
from vitdsl.parts.base import Module, Primitive


class Activation(Primitive):
    """A function of each value; `softmax` is over the channels of each token.

    Paper: GELU 1606.08415, hard-swish 1905.02244, SiLU 1702.03118. Symbols: quick_gelu = x·σ(1.702·x).
    Shape: (B, N, C) or (B, C, H, W) -> the same.
    Cost: nothing.
    """

    family: ClassVar[str] = "activation"
    type: Literal[
        "gelu", "gelu_tanh", "quick_gelu", "relu", "relu6", "silu", "hardswish", "sigmoid", "tanh", "softmax"
    ] = "gelu"

    def layer(self, *inputs: Feature) -> partial[Module]:
        """By name."""
        from vitdsl.layers.activations import activation

        return activation(self.type)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Every one, at an odd size."""
        names = ("gelu", "gelu_tanh", "quick_gelu", "relu", "relu6", "silu", "hardswish", "sigmoid", "tanh", "softmax")
        return [({"type": name}, (Feature(5, (3, 1), ("cls",)),)) for name in names]
