"""The activation of attention maps."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Feature
from vitdsl.parts.base import Module, Primitive


class Weigh(Primitive):
    """What makes weights out of scores: softmax, or what replaces it; a masked pair weighs 0 and is not counted.

    Paper: Interpret Vision Transformers as ConvNets with Dynamic Convolutions, arXiv 2309.10713. Symbols: -.
    Shape: scores (B, h, N, M), mask (windows, N, M) -> the same as the scores.
    Cost: nothing.
    """

    family: ClassVar[str] = "internal"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    type: Literal["weigh"] = "weigh"
    activation: Literal["softmax", "relu", "gelu", "layer", "batch", "none"] = "softmax"
    normalize: Literal["none", "tokens", "sqrt_tokens"] = "none"
    extras: tuple[str, ...] = ()

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.attention import Weigh as Layer

        assert inputs[0].grid is not None
        return partial(Layer, self.activation, self.normalize, inputs[0].grid[1])

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Each activation on odd maps, masked and not."""
        return [
            ({"activation": name, "normalize": how, "extras": extras}, (Feature(2, (3, 5)), *masks))
            for name in ("softmax", "relu", "gelu", "layer", "batch", "none")
            for how in ("none", "tokens", "sqrt_tokens")
            for extras, masks in (((), ()), (("mask",), (Feature(1, (3, 5)),)))
        ]
