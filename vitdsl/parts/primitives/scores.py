"""Attention maps before their activation."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature
from vitdsl.fields.types import Positive
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.primitives.attend import sides_differ


class Scores(Primitive):
    """scale·q·kᵀ + bias: the maps that bodies may work on.

    Paper: Attention Is All You Need, arXiv 1706.03762. Symbols: heads = h.
    Shape: q (B, N, h·d), k (B, M, h·d), bias (1 or windows, h, N, M) -> (B, h, N, M).
    Cost: N·M·h·d multiply-adds.
    """

    family: ClassVar[str] = "internal"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    gives: ClassVar[Literal["same", "tokens", "map"]] = "map"
    pairs: ClassVar[bool] = True
    dynamic: ClassVar[Literal["", "point-wise", "depth-wise"]] = "point-wise"
    type: Literal["scores"] = "scores"
    heads: Positive
    scale: float
    extras: tuple[str, ...] = ()

    def infer(self, *inputs: Feature) -> Feature:
        """Maps: a channel a head, on a grid of queries and keys."""
        q, k = inputs[:2]
        return Feature(self.heads, (q.num_tokens, k.num_tokens)) if q.dim == k.dim else sides_differ(q, k)

    def cost(self, *inputs: Feature) -> Cost:
        q, k = inputs[:2]
        return Cost(macs=q.num_tokens * k.num_tokens * q.dim)

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.attention import Scores as Layer

        return partial(Layer, self.heads, self.scale)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Odd counts, one head, a bias."""
        return [
            ({"heads": 2, "scale": 0.5}, (Feature(4, (3, 1)), Feature(4, count=5))),
            ({"heads": 1, "scale": 1.0}, (Feature(4, None, ("cls",)), Feature(4, (2, 2)))),
            (
                {"heads": 2, "scale": 1.0, "extras": ("bias",)},
                (Feature(4, (3, 1)), Feature(4, count=5), Feature(2, (3, 5))),
            ),
        ]
