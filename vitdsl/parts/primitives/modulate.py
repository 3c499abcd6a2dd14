"""The depth-wise kernel of a mixer."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature
from vitdsl.fields.types import Positive
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.primitives.attend import sides_differ


class Modulate(Primitive):
    """q ⊙ mean(k) + p·k: a mixer whose dynamic kernel is depth-wise. p are the bias's rows, if there is one.

    Paper: Interpret Vision Transformers as ConvNets with Dynamic Convolutions, arXiv 2309.10713. Symbols: p = bias.
    Shape: q (B, N, C), k (B, M, C), bias (1 or windows, h, N, M), mask (windows, N, M) -> (B, N, C).
    Cost: N·M·C multiply-adds with a bias, N·M·C with a mask (its mean is a product); else none.
    """

    family: ClassVar[str] = "internal"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    by_query: ClassVar[bool] = True
    dynamic: ClassVar[Literal["", "point-wise", "depth-wise"]] = "depth-wise"
    activation_of_kernels: ClassVar[str] = "none"
    without_map: ClassVar[str] = "its kernel is depth-wise, which weighs each channel, not pairs of a query and a key"
    type: Literal["modulate"] = "modulate"
    heads: Positive = 1
    extras: tuple[str, ...] = ()

    def infer(self, *inputs: Feature) -> Feature:
        """The queries' tokens."""
        q, k = inputs[:2]
        return q if q.dim == k.dim else sides_differ(q, k)

    def cost(self, *inputs: Feature) -> Cost:
        q, k = inputs[:2]
        return Cost(macs=q.num_tokens * k.size * len(self.extras))

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.attention import Modulate as Layer

        return partial(Layer, self.heads)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Odd counts; with rows of weights over the keys; in a masked window."""
        return [
            ({}, (Feature(4, (3, 1)), Feature(4, count=5))),
            ({"heads": 2, "extras": ("bias",)}, (Feature(4, (3, 1)), Feature(4, count=5), Feature(2, (3, 5)))),
            (
                {"heads": 2, "extras": ("bias", "mask")},
                (Feature(4, (3, 1)), Feature(4, (3, 1)), Feature(2, (3, 3)), Feature(1, (3, 3))),
            ),
        ]
