"""Sequence pooling."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class SequencePool(Primitive):
    """A weighted mean of all tokens; each token's weight is a softmax over a linear map of it.

    Paper: CCT, arXiv 2104.05704. Symbols: -.
    Shape: (B, N, C) -> (B, 1, C).
    Cost: 2·N·C multiply-adds; C + 1 parameters.
    """

    family: ClassVar[str] = "internal"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    type: Literal["sequence_pool"] = "sequence_pool"
    init: InitField = None

    def infer(self, *inputs: Feature) -> Feature:
        """One token."""
        return Feature(inputs[0].dim, count=1)

    def cost(self, *inputs: Feature) -> Cost:
        return weights(inputs[0].dim + 1, 2 * inputs[0].size)

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.pooling import SequencePool as Layer

        return partial(Layer, inputs[0].dim)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """An odd grid with a token."""
        return [({}, (Feature(5, (3, 1), ("cls",)),)), ({}, (Feature(4, count=3),))]
