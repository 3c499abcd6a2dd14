"""Fixed positions."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.parts.base import Module, Primitive


class Sinusoid(Primitive):
    """Sines and cosines of the token's number, added to the tokens; a fixed table.

    Paper: Attention Is All You Need, arXiv 1706.03762. Symbols: -.
    Shape: (B, N, C) -> the same.
    Cost: N·C fixed values; the authors' checkpoints hold them.

    Attributes:
        over: whether `all` tokens get one, or those of the `grid` alone.
    """

    family: ClassVar[str] = "position"
    by_place: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    type: Literal["sinusoid"] = "sinusoid"
    over: Literal["all", "grid"] = "all"

    def cost(self, *inputs: Feature) -> Cost:
        return weights(0, frozen=inputs[0].size)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """The table as a buffer."""
        from vitdsl.layers.positions import FixedPosition
        from vitdsl.layers.tables import sinusoid_table

        (x,) = inputs
        return partial(FixedPosition, partial(sinusoid_table, dim=x.dim), (x.num_tokens,), persistent=True)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """An odd grid, and one token."""
        return [({}, (Feature(8, (3, 5)),)), ({}, (Feature(4, (1, 2)),))]
