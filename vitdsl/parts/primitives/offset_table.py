"""A table of absolute offsets."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Pair
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class OffsetTable(Primitive):
    """A learned number for each head and each absolute offset of a query and a key: what `offset_bias` becomes.

    Paper: LeViT, arXiv 2104.01136. Symbols: -.
    Shape: () -> (1, heads, N, M).
    Cost: H·W·heads parameters, H and W of the keys' grid.
    """

    family: ClassVar[str] = "internal"
    of_part: ClassVar[str] = "offset_bias"
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    type: Literal["offset_table"] = "offset_table"
    heads: int = 1
    grid: Pair = (1, 1)
    queries: Pair | None = None
    stride: int = 1
    init: InitField = None

    def infer(self, *inputs: Feature) -> Feature:
        """Maps."""
        queries = self.queries or self.grid
        return Feature(self.heads, (queries[0] * queries[1], self.grid[0] * self.grid[1]))

    def cost(self, *inputs: Feature) -> Cost:
        return weights(self.grid[0] * self.grid[1] * self.heads)

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.relative import OffsetBias as Layer

        return partial(Layer, self.heads, self.grid, self.queries, self.stride)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """An odd grid, and strided queries."""
        return [
            ({"heads": 2, "grid": (3, 5)}, ()),
            ({"heads": 1, "grid": (7, 5), "queries": (4, 3), "stride": 2}, ()),
        ]
