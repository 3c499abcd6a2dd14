"""Positions on the keys."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class OnKeys(Primitive):
    """A learned table, added to the keys.

    Paper: Interpret Vision Transformers as ConvNets with Dynamic Convolutions, arXiv 2309.10713. Symbols: -.
    Shape: k (B, M, C) -> the same.
    Cost: M·C parameters.

    Attributes:
        init: initial values of the table.
    """

    family: ClassVar[str] = "bias"
    by_place: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    reads: ClassVar[str] = "k"
    type: Literal["on_keys"] = "on_keys"
    init: InitField = None

    def fit(self, heads: int, head_dim: int, scale: float, q: Feature, k: Feature) -> OnKeys:
        """The same: the keys themselves enter it."""
        return self

    def cost(self, *inputs: Feature) -> Cost:
        return weights(inputs[0].size)

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.positions import OnKeys as Layer

        (k,) = inputs
        return partial(Layer, k.grid if k.grid and not k.tokens else k.num_tokens, k.dim)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """An odd grid, and a token."""
        return [({}, (Feature(4, (3, 5)),)), ({}, (Feature(3, (2, 1), ("cls",)),))]
