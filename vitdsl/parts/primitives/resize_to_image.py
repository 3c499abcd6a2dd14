"""Resizing of the grid to the size of the image."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Feature
from vitdsl.fields.types import Pair
from vitdsl.parts.base import Module, Primitive


class ResizeToImage(Primitive):
    """Interpolation of the grid to as many positions as the image has pixels: what `resize: image` becomes.

    Paper: -. Symbols: image = (H', W') of the spec; a built model takes them from the image that enters it.
    Shape: (B, C, H, W) -> (B, C, H', W').
    Cost: nothing.
    """

    family: ClassVar[str] = "internal"
    of_part: ClassVar[str] = "resize"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    type: Literal["resize_to_image"] = "resize_to_image"
    image: Pair
    mode: Literal["nearest", "bilinear", "bicubic"] = "bilinear"

    def infer(self, *inputs: Feature) -> Feature:
        """The image's grid."""
        return inputs[0].grid_only.with_grid(self.image)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """The layer, which takes other sizes than the spec's too."""
        from vitdsl.layers.neighbourhoods import ResizeToImage as Layer

        return partial(Layer, self.image, self.mode)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """To an odd size."""
        return [
            ({"image": (7, 5), "mode": "bicubic"}, (Feature(3, (4, 4)),)),
            ({"image": (4, 4)}, (Feature(2, (5, 3)),)),
        ]
