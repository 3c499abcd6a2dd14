"""Layer normalization."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import PositiveReal
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class Layer(Primitive):
    """Layer normalization over the channels of each token.

    Paper: Layer Normalization, arXiv 1607.06450. Symbols: -.
    Shape: (B, N, C) -> the same.
    Cost: 2·C parameters (without affine none); no multiply-adds.

    Attributes:
        eps: what is added to the variance, so that nothing is divided by zero.
        affine: whether a learned scale and shift follow.
        init: initial values of the scale.
    """

    family: ClassVar[str] = "norm"
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    type: Literal["layer"] = "layer"
    eps: PositiveReal = 1e-6
    affine: bool = True
    init: InitField = None

    def cost(self, *inputs: Feature) -> Cost:
        return weights(2 * inputs[0].dim * self.affine)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """Torch's own."""
        from torch import nn

        return partial(nn.LayerNorm, inputs[0].dim, self.eps, self.affine)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """With extra tokens, and without affine on an odd grid."""
        return [({}, (Feature(6, (2, 2), ("cls",)),)), ({"affine": False, "eps": 1e-5}, (Feature(5, (3, 1)),))]
