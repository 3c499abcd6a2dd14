"""Batch normalization."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import PositiveReal, Rate
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class Batch(Primitive):
    """Batch normalization of each channel over images and tokens.

    Paper: Batch Normalization, arXiv 1502.03167. Symbols: -.
    Shape: (B, N, C) or (B, C, H, W) -> the same.
    Cost: 2·C parameters (without affine none); no multiply-adds.

    Attributes:
        eps: what is added to the variance, so that nothing is divided by zero.
        momentum: the share of a batch in the running mean and variance.
        affine: whether a learned scale and shift follow.
        init: initial values of the scale.
    """

    family: ClassVar[str] = "norm"
    by_statistics: ClassVar[bool] = True
    type: Literal["batch"] = "batch"
    eps: PositiveReal = 1e-5
    momentum: Rate = 0.1
    affine: bool = True
    init: InitField = None

    def cost(self, *inputs: Feature) -> Cost:
        return weights(2 * inputs[0].dim * self.affine)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """One that takes tokens and maps."""
        from vitdsl.layers.norms import BatchNorm

        return partial(BatchNorm, inputs[0].dim, self.eps, self.momentum, self.affine)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Tokens, and an odd grid."""
        return [({}, (Feature(6, (2, 2), ("cls",)),)), ({"affine": False}, (Feature(5, (3, 1)),))]
