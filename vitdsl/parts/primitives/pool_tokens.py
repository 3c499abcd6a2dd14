"""Pooling over tokens."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Feature
from vitdsl.parts.base import Module, Primitive


class PoolTokens(Primitive):
    """Mean or maximum over all tokens that enter: what `pool` without a kernel becomes.

    Paper: -. Symbols: -.
    Shape: (B, N, C) or (B, C, H, W) -> (B, 1, C).
    Cost: nothing.
    """

    family: ClassVar[str] = "internal"
    mixes: ClassVar[bool] = True
    gives: ClassVar[Literal["same", "tokens", "map"]] = "tokens"
    type: Literal["pool_tokens"] = "pool_tokens"
    reduce: Literal["mean", "max"] = "mean"

    def infer(self, *inputs: Feature) -> Feature:
        """One token."""
        return Feature(inputs[0].dim, count=1)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """One that takes tokens and maps."""
        from vitdsl.layers.pooling import PoolTokens as Layer

        return partial(Layer, self.reduce)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Both, at an odd size."""
        return [({"reduce": name}, (Feature(5, (3, 1)),)) for name in ("mean", "max")]
