"""Resizing of the grid."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.fields.types import PositiveReal, Size
from vitdsl.parts.base import Module, Primitive, Scope, Value
from vitdsl.parts.primitives.resize_to_image import ResizeToImage


class Resize(Primitive):
    """Interpolation of the grid to a size, to that of the image, or by a factor; no antialias, align_corners false.

    Paper: -. Symbols: -.
    Shape: (B, C, H, W) -> (B, C, H', W').
    Cost: nothing.

    Attributes:
        size: of the new grid: of both sides, `[height, width]`, or `image`.
        scale: new size / old size, in place of `size`.
        mode: how it is interpolated.
    """

    family: ClassVar[str] = "resize"
    shorthand: ClassVar[str] = "size"
    on_grid: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    type: Literal["resize"] = "resize"
    size: Size | Literal["image"] | None = None
    scale: PositiveReal | None = None
    mode: Literal["nearest", "bilinear", "bicubic"] = "bilinear"

    def infer(self, *inputs: Feature) -> Feature:
        """The new grid."""
        grid = inputs[0].grid_only.grid
        assert grid is not None
        if (self.size is None) == (self.scale is None):
            raise ShapeError("`resize` needs either `size` or `scale`", code="E202")
        if self.scale is not None:
            height, width = int(grid[0] * self.scale), int(grid[1] * self.scale)
            if min(height, width) < 1:
                message = f"`scale` ({self.scale}) leaves nothing of a grid of {grid[0]}x{grid[1]}"
                raise ShapeError(message, "", ("scale",), "E405")
            return Feature(inputs[0].dim, (height, width))
        assert isinstance(self.size, tuple), "`image` is another primitive"
        return Feature(inputs[0].dim, self.size)

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.neighbourhoods import Resize as Layer

        return partial(Layer, self.size if isinstance(self.size, tuple) else None, self.scale, self.mode)

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """To the size of the image it is another primitive."""
        if self.size != "image" or self.scale is not None or (x.feature.tokens and x.feature.grid is not None):
            return super().emit(scope, x, path)
        return scope.add(ResizeToImage.trusted(image=scope.image, mode=self.mode), (x,), path)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """To a size, and by a factor."""
        return [
            ({"size": [5, 3], "mode": "bicubic"}, (Feature(3, (4, 4)),)),
            ({"scale": 0.5, "mode": "nearest"}, (Feature(3, (7, 5)),)),
        ]
