"""Logits of relative positions in two directions."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Real
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class RelativeLogits(Primitive):
    """Logits of a query and learned vectors of a key's row and column relative to it: what `relative_2d` becomes.

    Paper: BoTNet, arXiv 2101.11605. Symbols: height = R_h, width = R_w.
    Shape: q (B, N, h·d) -> (B, h, N, N).
    Cost: N·(H + W)·h·d multiply-adds; (2·H - 1)·d + (2·W - 1)·d parameters.
    """

    family: ClassVar[str] = "internal"
    of_part: ClassVar[str] = "relative_2d"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    gives: ClassVar[Literal["same", "tokens", "map"]] = "map"
    pairs: ClassVar[bool] = True
    type: Literal["relative_logits"] = "relative_logits"
    heads: int = 1
    scale: Real = 1.0
    init: InitField = None

    def infer(self, *inputs: Feature) -> Feature:
        """Maps."""
        return Feature(self.heads, (inputs[0].num_tokens, inputs[0].num_tokens))

    def cost(self, *inputs: Feature) -> Cost:
        (q,) = inputs
        assert q.grid is not None
        sides = q.grid[0] + q.grid[1]
        return weights((2 * sides - 2) * q.dim // self.heads, q.num_tokens * sides * q.dim)

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.attention import QueryBias

        (q,) = inputs
        assert q.grid is not None
        return partial(QueryBias, q.grid, self.heads, q.dim // self.heads, self.scale)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Odd grids."""
        return [
            ({"heads": 2, "scale": 0.5}, (Feature(8, (3, 5)),)),
            ({"heads": 1}, (Feature(4, (2, 1)),)),
        ]
