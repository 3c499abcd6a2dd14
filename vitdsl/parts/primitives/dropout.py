"""Dropout."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Feature
from vitdsl.fields.types import Rate
from vitdsl.parts.base import Module, Primitive


class Dropout(Primitive):
    """Zeroes values at random while training.

    Paper: Dropout, JMLR 15 (2014). Symbols: rate = p.
    Shape: any -> the same.
    Cost: nothing.

    Attributes:
        rate: the probability of a zero.
    """

    family: ClassVar[str] = "dropout"
    shorthand: ClassVar[str] = "rate"
    type: Literal["dropout"] = "dropout"
    rate: Rate = 0.0

    def layer(self, *inputs: Feature) -> partial[Module]:
        """Torch's own."""
        from torch import nn

        return partial(nn.Dropout, self.rate)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """At an odd size."""
        return [({"rate": 0.5}, (Feature(5, (3, 1), ("cls",)),)), ({}, (Feature(4, count=2),))]
