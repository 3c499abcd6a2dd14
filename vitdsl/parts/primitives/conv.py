"""Convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Margin, Natural, Positive, PositiveReal, Size
from vitdsl.parts.base import Activation, Fields, Nested, Norm, Primitive, Scope, Value
from vitdsl.parts.initial import InitField
from vitdsl.parts.windowing import default_padding, slid

if TYPE_CHECKING:
    from torch import nn


class Kernels(Fields):
    """How a dynamic convolution makes its kernels out of the image.

    `by: image` with `count`: a bank of static kernels, mixed by coefficients (D-Conv). `by: image` without: kernels
    generated from the mean of the image (D-DW-Conv). `by: position`: generated at every position (I-D-DW-Conv).
    """

    by: Literal["image", "position"] = "image"
    count: Positive | None = None
    reduction: Positive = 4
    activation: Literal["softmax", "sigmoid"] = "softmax"
    temperature: PositiveReal = 1.0
    groups: Positive | None = None
    extra: Natural = 0


class Conv(Primitive):
    """Convolution of the grid; then its norm, then its activation.

    Paper: -. Symbols: dim = C_out, kernel = k, groups = g.
    Shape: (B, C, H, W) -> (B, dim, H', W') with H' = (H + 2·padding - dilation·(k-1) - 1) // stride + 1.
    Cost: H'·W'·dim·(C/g)·k² multiply-adds; dim·(C/g)·k² + dim parameters (without bias, no + dim).
    """

    family: ClassVar[str] = "conv"
    on_grid: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    type: Literal["conv"] = "conv"
    dim: Positive | None = None
    kernel: Size = (1, 1)
    stride: Size = (1, 1)
    padding: Margin = None
    groups: Positive = 1
    dilation: Size = (1, 1)
    bias: bool = True
    kernels: Annotated[Kernels | None, Nested(Kernels)] = None
    norm: Norm = None
    activation: Activation = None
    init: InitField = None

    def infer(self, *inputs: Feature) -> Feature:
        """The slid grid at the new width."""
        (x,) = inputs
        dim, groups = self.dim or x.dim, self.groups
        if x.dim % groups or dim % groups:
            name, width = ("the width that enters", x.dim) if x.dim % groups else ("`dim`", dim)
            raise ShapeError(f"`groups` ({groups}) must divide {name} ({width})", "", ("groups",))
        return x.with_grid(slid(x, self.kernel, self.stride, self.margin, self.dilation), dim)

    @property
    def margin(self) -> Any:
        """The padding: what was written, or the kernel's default."""
        return default_padding(self.kernel) if self.padding is None else self.padding

    def cost(self, *inputs: Feature) -> Cost:
        """As the class says."""
        (x,) = inputs
        dim = self.dim or x.dim
        high, wide = slid(x, self.kernel, self.stride, self.margin, self.dilation)
        kernel = self.kernel
        taps = dim * (x.dim // self.groups) * kernel[0] * kernel[1]
        return weights(taps + self.bias * dim, high * wide * taps)

    def mixes_channels(self, *inputs: Feature) -> bool:
        """Unless it is depth-wise."""
        return self.groups < inputs[0].dim

    def build(self, *inputs: Feature) -> nn.Module:
        """A `torch.nn.Conv2d`, or one that pads as TensorFlow does."""
        from vitdsl.layers.convolution import Conv2d

        out = self.infer(*inputs).dim
        return Conv2d(inputs[0].dim, out, self.kernel, self.stride, self.margin, self.dilation, self.groups, self.bias)

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """A dynamic convolution is another primitive with the same fields."""
        if self.kernels is None or (x.feature.tokens and x.feature.grid is not None):
            return super().emit(scope, x, path)
        from vitdsl.parts.primitives.dynamic_conv import DynamicConv

        return self.follow(scope, scope.add(DynamicConv.trusted(conv=self, kernels=self.kernels), (x,), path), path)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Plain, grouped with an odd grid, and TensorFlow's padding."""
        return [
            ({"dim": 8, "kernel": 3}, (Feature(3, (8, 8)),)),
            ({"dim": 12, "kernel": [5, 3], "stride": 2, "groups": 3, "bias": False}, (Feature(6, (9, 7)),)),
            ({"dim": 4, "kernel": 3, "stride": 2, "padding": "same"}, (Feature(4, (7, 8)),)),
            ({"dim": 4, "kernel": 3, "dilation": 2}, (Feature(4, (7, 8)),)),
        ]
