"""Relative position bias."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature, weights
from vitdsl.parts.base import Primitive
from vitdsl.parts.fields import Pair
from vitdsl.parts.initial import InitField

if TYPE_CHECKING:
    from torch import nn


class RelativeBias(Primitive):
    """A learned number for each head and each difference of two positions of one grid, added to the logits.

    Paper: Swin, arXiv 2103.14030. Symbols: weight = B̂.
    Shape: () -> (1, heads, N, N).
    Cost: (2·H - 1)·(2·W - 1)·heads parameters.
    """

    family: ClassVar[str] = "bias"
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    reads: ClassVar[str] = ""
    type: Literal["relative_bias"] = "relative_bias"
    heads: int = 1
    grid: Pair = (1, 1)
    init: InitField = None

    def fit(self, heads: int, head_dim: int, scale: float, q: Feature, k: Feature) -> RelativeBias:
        """The same, made for these queries and keys."""
        if q.grid is None or q.grid != k.grid or q.tokens or k.tokens:
            raise ShapeError(
                f"relative_bias needs queries and keys on one grid, but they are {q} and {k}",
                "leave extra tokens out with `at: grid`",
                ("position",),
            )
        return RelativeBias.trusted(heads=heads, grid=q.grid, init=self.init)

    def infer(self, *inputs: Feature) -> Feature:
        """Maps."""
        count = self.grid[0] * self.grid[1]
        return Feature(self.heads, (count, count))

    def cost(self, *inputs: Feature) -> Cost:
        """As the class says."""
        return weights((2 * self.grid[0] - 1) * (2 * self.grid[1] - 1) * self.heads)

    def build(self, *inputs: Feature) -> nn.Module:
        """The layer."""
        from vitdsl.layers.relative import RelativeBias as Layer

        return Layer(self.heads, self.grid)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """An odd window."""
        return [({"heads": 2, "grid": (3, 5)}, ()), ({"heads": 1, "grid": (2, 2)}, ())]
