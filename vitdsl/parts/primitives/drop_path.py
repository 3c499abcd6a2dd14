"""Stochastic depth."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Feature
from vitdsl.fields.types import Rate
from vitdsl.parts.base import Module, Primitive


class DropPath(Primitive):
    """Drops a residual branch of an image at random while training, and scales what is kept.

    Paper: Deep Networks with Stochastic Depth, arXiv 1603.09382. Symbols: rate = 1 - p_l.
    Shape: any -> the same.
    Cost: nothing.
    """

    family: ClassVar[str] = "internal"
    type: Literal["drop_path"] = "drop_path"
    rate: Rate = 0.0

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.drop import DropPath as Layer

        return partial(Layer, self.rate)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """At an odd size."""
        return [({"rate": 0.5}, (Feature(5, (3, 1), ("cls",)),)), ({}, (Feature(4, count=2),))]
