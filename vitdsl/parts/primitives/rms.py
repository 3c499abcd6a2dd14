"""Root mean square normalization."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import PositiveReal
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class Rms(Primitive):
    """Root mean square normalization over the channels of each token.

    Paper: RMSNorm, arXiv 1910.07467. Symbols: -.
    Shape: (B, N, C) -> the same.
    Cost: C parameters; no multiply-adds.

    Attributes:
        eps: what is added to the mean square, so that nothing is divided by zero.
        init: initial values of the scale.
    """

    family: ClassVar[str] = "norm"
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    type: Literal["rms"] = "rms"
    eps: PositiveReal = 1e-6
    init: InitField = None

    def cost(self, *inputs: Feature) -> Cost:
        return weights(inputs[0].dim)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """Torch's own."""
        from torch import nn

        return partial(nn.RMSNorm, inputs[0].dim, self.eps)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """With extra tokens, and an odd grid."""
        return [({}, (Feature(6, (2, 2), ("cls",)),)), ({"eps": 1e-5}, (Feature(5, (3, 1)),))]
