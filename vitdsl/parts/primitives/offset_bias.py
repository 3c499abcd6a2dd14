"""Bias by absolute offset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature, weights
from vitdsl.parts.base import Primitive
from vitdsl.parts.fields import Pair
from vitdsl.parts.initial import InitField

if TYPE_CHECKING:
    from torch import nn


class OffsetBias(Primitive):
    """A learned number for each head and each absolute offset of a query and a key, added to the logits.

    Paper: LeViT, arXiv 2104.01136. Symbols: -.
    Shape: () -> (1, heads, N, M).
    Cost: H·W·heads parameters, H and W of the keys' grid.
    """

    family: ClassVar[str] = "bias"
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    reads: ClassVar[str] = ""
    type: Literal["offset_bias"] = "offset_bias"
    heads: int = 1
    grid: Pair = (1, 1)
    queries: Pair | None = None
    stride: int = 1
    init: InitField = None

    def fit(self, heads: int, head_dim: int, scale: float, q: Feature, k: Feature) -> OffsetBias:
        """The same, made for these queries and keys; the stride is what lies between two queries."""
        if q.grid is None or k.grid is None or q.tokens or k.tokens:
            raise ShapeError(
                f"offset_bias needs queries and keys on a grid, but they are {q} and {k}",
                "leave extra tokens out with `at: grid`",
                ("position",),
            )
        stride = max(1, round(k.grid[0] / q.grid[0]))
        if (-(-k.grid[0] // stride), -(-k.grid[1] // stride)) != q.grid:
            raise ShapeError(
                f"offset_bias needs queries at every s-th position of the keys' grid, but they are {q} and {k}",
                "",
                ("position",),
            )
        return OffsetBias.trusted(heads=heads, grid=k.grid, queries=q.grid, stride=stride, init=self.init)

    def infer(self, *inputs: Feature) -> Feature:
        """Maps."""
        queries = self.queries or self.grid
        return Feature(self.heads, (queries[0] * queries[1], self.grid[0] * self.grid[1]))

    def cost(self, *inputs: Feature) -> Cost:
        """As the class says."""
        return weights(self.grid[0] * self.grid[1] * self.heads)

    def build(self, *inputs: Feature) -> nn.Module:
        """The layer."""
        from vitdsl.layers.relative import OffsetBias as Layer

        return Layer(self.heads, self.grid, self.queries, self.stride)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """An odd grid, and strided queries."""
        return [
            ({"heads": 2, "grid": (3, 5)}, ()),
            ({"heads": 1, "grid": (7, 5), "queries": (4, 3), "stride": 2}, ()),
        ]
