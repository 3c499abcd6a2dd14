"""Attention by random features."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Positive
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.primitives.attend import sides_differ


class PerformerAttend(Primitive):
    """Attention whose softmax kernel is replaced by a product of positive random features.

    Paper: Performers, arXiv 2009.14794, as T2T-ViT uses it. Symbols: heads = h, features = m.
    Shape: q (B, N, h·d), k (B, M, h·d), v (B, M, h·e) -> (B, N, h·e).
    Cost: h·m·((N + M)·(d + e) + N) multiply-adds; m·d fixed values, which the authors' checkpoints hold.
    """

    family: ClassVar[str] = "internal"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    by_query: ClassVar[bool] = True
    dynamic: ClassVar[Literal["", "point-wise", "depth-wise"]] = "point-wise"
    activation_of_kernels: ClassVar[str] = "random features"
    without_map: ClassVar[str] = "it is a performer, which never weighs pairs of a query and a key"
    type: Literal["performer_attend"] = "performer_attend"
    heads: Positive = 1
    features: Positive = 32

    def infer(self, *inputs: Feature) -> Feature:
        """The queries' tokens, as wide as the values."""
        q, k, v = inputs
        return q.with_dim(v.dim) if q.dim == k.dim else sides_differ(q, k)

    def cost(self, *inputs: Feature) -> Cost:
        q, k, v = inputs
        d, e = q.dim // self.heads, v.dim // self.heads
        macs = self.heads * self.features * ((q.num_tokens + k.num_tokens) * (d + e) + q.num_tokens)
        return weights(0, macs, frozen=self.features * d)

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.performer import Performer

        return partial(Performer, inputs[0].dim // self.heads, self.features, self.heads)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Odd counts, two heads."""
        return [
            ({"features": 3}, (Feature(4, (3, 1)), Feature(4, count=5), Feature(6, count=5))),
            ({"heads": 2, "features": 4}, (Feature(8, (2, 2)), Feature(8, (2, 2)), Feature(8, (2, 2)))),
        ]
