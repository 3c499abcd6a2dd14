"""Group normalization."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Positive, PositiveReal
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class Group(Primitive):
    """Normalization of groups of channels over all tokens of an image.

    Paper: Group Normalization, arXiv 1803.08494. Symbols: groups = G.
    Shape: (B, N, C) or (B, C, H, W) -> the same.
    Cost: 2·C parameters; no multiply-adds.

    Attributes:
        groups: number of groups of channels.
        eps: what is added to the variance, so that nothing is divided by zero.
        init: initial values of the scale.
    """

    family: ClassVar[str] = "norm"
    mixes: ClassVar[bool] = True
    type: Literal["group"] = "group"
    groups: Positive = 1
    eps: PositiveReal = 1e-5
    init: InitField = None

    def infer(self, *inputs: Feature) -> Feature:
        """Unchanged; the groups must divide the width."""
        if inputs[0].dim % self.groups:
            message = f"`groups` ({self.groups}) must divide the width that enters ({inputs[0].dim})"
            raise ShapeError(message, "", ("groups",), "E402")
        return inputs[0]

    def cost(self, *inputs: Feature) -> Cost:
        return weights(2 * inputs[0].dim)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """One that takes tokens and maps."""
        from vitdsl.layers.norms import GroupNorm

        return partial(GroupNorm, self.groups, inputs[0].dim, self.eps)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Tokens, and an odd grid."""
        return [({}, (Feature(6, (2, 2), ("cls",)),)), ({"groups": 5}, (Feature(5, (3, 1)),))]
