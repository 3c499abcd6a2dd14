"""Relative positions in two directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature, weights
from vitdsl.parts.base import Primitive
from vitdsl.parts.fields import Real
from vitdsl.parts.initial import InitField

if TYPE_CHECKING:
    from torch import nn


class Relative2d(Primitive):
    """Logits of a query and learned vectors of the row and of the column by which a key lies away from it.

    Paper: BoTNet, arXiv 2101.11605. Symbols: height = R_h, width = R_w.
    Shape: q (B, N, h·d) -> (B, h, N, N).
    Cost: N·(H + W)·h·d multiply-adds; (2·H - 1)·d + (2·W - 1)·d parameters.
    """

    family: ClassVar[str] = "bias"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    gives: ClassVar[Literal["same", "tokens", "map"]] = "map"
    reads: ClassVar[str] = "q"
    type: Literal["relative_2d"] = "relative_2d"
    heads: int = 1
    scale: Real = 1.0
    init: InitField = None

    def fit(self, heads: int, head_dim: int, scale: float, q: Feature, k: Feature) -> Relative2d:
        """The same, made for these queries and keys."""
        if q.grid is None or q.grid != k.grid or q.tokens or k.tokens:
            raise ShapeError(
                f"relative_2d needs queries and keys on one grid, but they are {q} and {k}",
                "leave extra tokens out with `at: grid`",
                ("position",),
            )
        return Relative2d.trusted(heads=heads, scale=scale, init=self.init)

    def infer(self, *inputs: Feature) -> Feature:
        """Maps."""
        return Feature(self.heads, (inputs[0].num_tokens, inputs[0].num_tokens))

    def cost(self, *inputs: Feature) -> Cost:
        """As the class says."""
        (q,) = inputs
        assert q.grid is not None
        sides = q.grid[0] + q.grid[1]
        return weights((2 * sides - 2) * q.dim // self.heads, q.num_tokens * sides * q.dim)

    def build(self, *inputs: Feature) -> nn.Module:
        """The layer."""
        from vitdsl.layers.attention import QueryBias

        (q,) = inputs
        assert q.grid is not None
        return QueryBias(q.grid, self.heads, q.dim // self.heads, self.scale)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Odd grids."""
        return [
            ({"heads": 2, "scale": 0.5}, (Feature(8, (3, 5)),)),
            ({"heads": 1}, (Feature(4, (2, 1)),)),
        ]
