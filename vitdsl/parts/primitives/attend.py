"""Attention."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Positive, Rate
from vitdsl.parts.base import Module, Primitive


class Attend(Primitive):
    """softmax(scale·q·kᵀ + bias) v, in one: attention whose maps nobody else sees.

    Paper: Attention Is All You Need, arXiv 1706.03762. Symbols: heads = h.
    Shape: q (B, N, h·d), k (B, M, h·d), v (B, M, h·e), bias (1, windows or B, h, N, M), mask (windows, N, M)
        -> (B, N, h·e).
    Cost: N·M·h·(d + e) multiply-adds.
    """

    family: ClassVar[str] = "internal"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    by_query: ClassVar[bool] = True
    dynamic: ClassVar[Literal["", "point-wise", "depth-wise"]] = "point-wise"
    type: Literal["attend"] = "attend"
    heads: Positive
    scale: float
    dropout: Rate = 0.0
    extras: tuple[str, ...] = ()

    def infer(self, *inputs: Feature) -> Feature:
        """The queries' tokens, as wide as the values."""
        q, k, v = inputs[:3]
        return q.with_dim(v.dim) if q.dim == k.dim else sides_differ(q, k)

    def cost(self, *inputs: Feature) -> Cost:
        q, k, v = inputs[:3]
        return weights(0, q.num_tokens * k.num_tokens * (q.dim + v.dim))

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.attention import Attend as Layer

        return partial(Layer, self.heads, self.scale, self.dropout)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Wider values at odd counts, a class token that asks, and a biased, masked window."""
        return [
            ({"heads": 2, "scale": 0.5}, (Feature(4, (3, 1)), Feature(4, count=5), Feature(6, count=5))),
            ({"heads": 1, "scale": 1.0}, (Feature(4, None, ("cls",)), Feature(4, (2, 2)), Feature(4, (2, 2)))),
            (
                {"heads": 2, "scale": 1.0, "extras": ("bias", "mask")},
                (Feature(4, (3, 1)), Feature(4, (3, 1)), Feature(4, (3, 1)), Feature(2, (3, 3)), Feature(1, (3, 3))),
            ),
        ]


def sides_differ(q: Feature, k: Feature) -> Feature:
    """Refuses queries and keys of different widths."""
    hint = "set `head_dim`, or project both"
    raise ShapeError(f"queries ({q.dim}) and keys ({k.dim}) must be equally wide", hint, code="E401")
