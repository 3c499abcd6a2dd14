"""Scale and shift of each channel."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class Affine(Primitive):
    """A learned scale, and with `bias` a shift, of each channel: a norm without statistics; LayerScale without `bias`.

    Paper: CaiT (LayerScale), arXiv 2103.17239. Symbols: weight = λ or γ.
    Shape: (B, N, C) or (B, C, H, W) -> the same.
    Cost: 2·C parameters (without bias C); no multiply-adds.

    Attributes:
        bias: whether there is a shift.
        init: initial values of the scale.
    """

    family: ClassVar[str] = "norm"
    type: Literal["affine"] = "affine"
    bias: bool = True
    init: InitField = None

    def cost(self, *inputs: Feature) -> Cost:
        return weights((1 + self.bias) * inputs[0].dim)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """One that takes tokens and maps."""
        from vitdsl.layers.norms import Affine as Layer

        return partial(Layer, inputs[0].dim, self.bias)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Tokens, and an odd grid."""
        return [({}, (Feature(6, (2, 2), ("cls",)),)), ({"bias": False}, (Feature(5, (3, 1)),))]
