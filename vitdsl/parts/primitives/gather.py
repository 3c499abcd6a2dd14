"""Values weighed by attention maps."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature
from vitdsl.parts.base import Module, Primitive


class Gather(Primitive):
    """Each query's sum of the values, weighed by its row of the maps.

    Paper: Attention Is All You Need, arXiv 1706.03762. Symbols: -.
    Shape: maps (B, h, N, M), v (B, M, h·e), q (B, N, C; only its tokens count) -> (B, N, h·e).
    Cost: N·M·h·e multiply-adds.
    """

    family: ClassVar[str] = "internal"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    gives: ClassVar[Literal["same", "tokens", "map"]] = "tokens"
    maps_first: ClassVar[bool] = True
    type: Literal["gather"] = "gather"
    queries: Feature

    def infer(self, *inputs: Feature) -> Feature:
        """The queries' tokens, as wide as the values."""
        maps, v = inputs
        if maps.grid != (self.queries.num_tokens, v.num_tokens) or v.dim % maps.dim:
            raise ShapeError(
                f"the maps are {maps} (queries x keys · heads), but there are {self.queries.num_tokens} queries "
                f"and {v.num_tokens} keys, {v.dim} wide",
                "maps that another mixer wrote must come from as many tokens and heads",
                code="E412",
            )
        return self.queries.with_dim(v.dim)

    def cost(self, *inputs: Feature) -> Cost:
        maps, v = inputs
        assert maps.grid is not None
        return Cost(macs=maps.grid[0] * maps.grid[1] * v.dim)

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.attention import Gather as Layer

        return partial(Layer)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Odd counts."""
        return [
            ({"queries": Feature(4, (3, 1))}, (Feature(2, (3, 5)), Feature(6, count=5))),
            ({"queries": Feature(4, count=1)}, (Feature(1, (1, 4)), Feature(3, (2, 2)))),
        ]
