"""A table of relative positions."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Pair
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class RelativeTable(Primitive):
    """A learned number for each head and each difference of two positions of one grid: what `relative_bias` becomes.

    Paper: Swin, arXiv 2103.14030. Symbols: weight = B̂.
    Shape: () -> (1, heads, N, N).
    Cost: (2·H - 1)·(2·W - 1)·heads parameters.
    """

    family: ClassVar[str] = "internal"
    of_part: ClassVar[str] = "relative_bias"
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    type: Literal["relative_table"] = "relative_table"
    heads: int = 1
    grid: Pair = (1, 1)
    init: InitField = None

    def infer(self, *inputs: Feature) -> Feature:
        """Maps."""
        count = self.grid[0] * self.grid[1]
        return Feature(self.heads, (count, count))

    def cost(self, *inputs: Feature) -> Cost:
        return weights((2 * self.grid[0] - 1) * (2 * self.grid[1] - 1) * self.heads)

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.relative import RelativeBias as Layer

        return partial(Layer, self.heads, self.grid)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """An odd window."""
        return [({"heads": 2, "grid": (3, 5)}, ()), ({"heads": 1, "grid": (2, 2)}, ())]
