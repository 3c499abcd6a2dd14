"""Neighbourhoods into channels."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Feature
from vitdsl.fields.types import Margin, Size
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.windowing import default_padding, window_grid


class Unfold(Primitive):
    """The k×k neighbourhood of each position, as channels in the order (c, row, column).

    Paper: T2T-ViT (soft split), arXiv 2101.11986. Symbols: kernel = k.
    Shape: (B, C, H, W) -> (B, H'·W', C·k²).
    Cost: nothing.

    Attributes:
        kernel: size of a neighbourhood.
        stride: rows and columns from one neighbourhood to the next.
        padding: rows and columns of zeros around the grid, or `same`.
        fit: whether the windows must tile the grid, or zeros fill it up.
    """

    family: ClassVar[str] = "unfold"
    shorthand: ClassVar[str] = "kernel"
    on_grid: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    gives: ClassVar[Literal["same", "tokens", "map"]] = "tokens"
    type: Literal["unfold"] = "unfold"
    kernel: Size
    stride: Size | None = None
    padding: Margin = None
    fit: Literal["exact", "pad"] = "exact"

    def infer(self, *inputs: Feature) -> Feature:
        """The grid of the windows, k² times as wide."""
        (x,) = inputs
        grid = window_grid(x, self.kernel, self.step, self.margin, fit=self.fit)
        return x.with_grid(grid, x.dim * self.kernel[0] * self.kernel[1])

    @property
    def step(self) -> tuple[int, int]:
        """The stride: what was written, or the kernel."""
        return self.stride or self.kernel

    @property
    def margin(self) -> Any:
        """The padding: what was written, or the kernel's default where it overlaps, 0 where it tiles."""
        if self.padding is not None:
            return self.padding
        return (0, 0) if self.step == self.kernel else default_padding(self.kernel)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """Neighbourhoods that tile are a reshape; others torch's own unfold."""
        from vitdsl.layers.neighbourhoods import Unfold as Layer

        return partial(Layer, self.kernel, self.step, self.margin, self.fit)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Overlapping at an odd size, tiling, TensorFlow's padding, and a rim that is filled up."""
        return [
            ({"kernel": 3, "stride": 2, "padding": 1}, (Feature(3, (7, 5)),)),
            ({"kernel": 2}, (Feature(3, (4, 6)),)),
            ({"kernel": [3, 2], "padding": "same"}, (Feature(2, (4, 5)),)),
            ({"kernel": 2, "fit": "pad"}, (Feature(2, (3, 5)),)),
            ({"kernel": 3, "stride": 2, "padding": 0, "fit": "pad"}, (Feature(2, (6, 5)),)),
        ]
