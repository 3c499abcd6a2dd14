"""Channels into neighbourhoods."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.fields.types import Size
from vitdsl.parts.base import Module, Primitive


class Fold(Primitive):
    """The way back from `unfold` with stride = kernel: channels (c, row, column) become k×k positions.

    Paper: -. Symbols: kernel = k.
    Shape: (B, C·k², H, W) -> (B, C, k·H, k·W).
    Cost: nothing.

    Attributes:
        kernel: rows and columns that a position becomes.
    """

    family: ClassVar[str] = "fold"
    shorthand: ClassVar[str] = "kernel"
    on_grid: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    type: Literal["fold"] = "fold"
    kernel: Size

    def infer(self, *inputs: Feature) -> Feature:
        """A grid k times as large, k² times as narrow."""
        (x,) = inputs
        area = self.kernel[0] * self.kernel[1]
        grid = x.grid_only.grid
        assert grid is not None
        if x.dim % area:
            raise ShapeError(
                f"`kernel` ({self.kernel[0]}x{self.kernel[1]}) needs a width that {area} divides, but it is {x.dim}",
                "",
                ("kernel",),
                "E402",
            )
        return Feature(x.dim // area, (grid[0] * self.kernel[0], grid[1] * self.kernel[1]))

    def layer(self, *inputs: Feature) -> partial[Module]:
        """A reshape."""
        from vitdsl.layers.neighbourhoods import Fold as Layer

        return partial(Layer, self.kernel)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """An odd grid, and unequal sides."""
        return [({"kernel": 2}, (Feature(12, (3, 5)),)), ({"kernel": [1, 3]}, (Feature(6, (2, 1)),))]
