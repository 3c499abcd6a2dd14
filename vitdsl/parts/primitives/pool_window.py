"""Pooling over neighbourhoods."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.fields.types import Margin, Size
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.windowing import default_padding, left_out, window_grid


class PoolWindow(Primitive):
    """Mean or maximum over neighbourhoods of the grid: what `pool` with a kernel becomes.

    Paper: -. Symbols: kernel = k.
    Shape: (B, C, H, W) -> (B, C, H', W').
    Cost: nothing.
    """

    family: ClassVar[str] = "internal"
    on_grid: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    type: Literal["pool_window"] = "pool_window"
    reduce: Literal["mean", "max"] = "mean"
    kernel: Size
    stride: Size | None = None
    padding: Margin = None

    def infer(self, *inputs: Feature) -> Feature:
        """The grid of the windows; torch pads by half the kernel at most."""
        if self.margin != "same" and any(2 * p > k for p, k in zip(self.margin, self.kernel, strict=True)):
            raise ShapeError(
                f"`padding` ({self.margin[0]}x{self.margin[1]}) must be at most half "
                f"the pool's kernel ({self.kernel[0]}x{self.kernel[1]})",
                "",
                ("padding",),
                "E405",
            )
        return inputs[0].with_grid(window_grid(inputs[0], self.kernel, self.step, self.margin, what="pool's kernel"))

    def leaves_out(self, *inputs: Feature) -> tuple[int, int]:
        """What no window reads."""
        grid = inputs[0].grid_only.grid
        assert grid is not None
        return left_out(grid, self.kernel, self.step, self.margin)

    @property
    def step(self) -> tuple[int, int]:
        """The stride: what was written, or the kernel."""
        return self.stride or self.kernel

    @property
    def margin(self) -> Any:
        """The padding: what was written, or the kernel's default."""
        return default_padding(self.kernel) if self.padding is None else self.padding

    def layer(self, *inputs: Feature) -> partial[Module]:
        """Torch's own, or one that pads as TensorFlow does."""
        from vitdsl.layers.pooling import pool_window

        return pool_window(self.reduce, self.kernel, self.step, self.margin)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Both, at odd sizes, and TensorFlow's padding."""
        return [
            ({"reduce": "max", "kernel": 3, "stride": 2, "padding": 1}, (Feature(5, (7, 5)),)),
            ({"kernel": 2}, (Feature(4, (5, 4)),)),
            ({"kernel": 3, "stride": 2, "padding": "same"}, (Feature(4, (5, 4)),)),
            ({"reduce": "max", "kernel": [2, 3], "stride": 2, "padding": "same"}, (Feature(4, (5, 4)),)),
        ]
