"""Every s-th position."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Feature
from vitdsl.fields.types import Size
from vitdsl.parts.base import Module, Primitive


class Subsample(Primitive):
    """Every s-th row and column of the grid: strided queries.

    Paper: LeViT, arXiv 2104.01136. Symbols: stride = s.
    Shape: (B, C, H, W) -> (B, C, ceil(H / s), ceil(W / s)).
    Cost: nothing.
    """

    family: ClassVar[str] = "internal"
    on_grid: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    type: Literal["subsample"] = "subsample"
    stride: Size

    def infer(self, *inputs: Feature) -> Feature:
        """The thinned grid."""
        grid = inputs[0].grid_only.grid
        assert grid is not None
        return Feature(inputs[0].dim, (-(-grid[0] // self.stride[0]), -(-grid[1] // self.stride[1])))

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.neighbourhoods import Subsample as Layer

        return partial(Layer, self.stride)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """An odd grid, unequal strides."""
        return [({"stride": 2}, (Feature(3, (7, 5)),)), ({"stride": [1, 3]}, (Feature(3, (2, 4)),))]
