"""Convolution."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Margin, Positive, Size
from vitdsl.parts.base import Activation, Module, Nested, Norm, Primitive, Scope, Value
from vitdsl.parts.initial import InitField
from vitdsl.parts.primitives.dynamic_conv import DynamicConv, Kernels
from vitdsl.parts.windowing import Fit, conv_feature, default_padding, left_out


class Conv(Primitive):
    """Convolution of the grid; then its norm, then its activation.

    Paper: -. Symbols: dim = C_out, kernel = k, groups = g.
    Shape: (B, C, H, W) -> (B, dim, H', W') with H' = (H + 2·padding - dilation·(k-1) - 1) // stride + 1.
    Cost: H'·W'·dim·(C/g)·k² multiply-adds; dim·(C/g)·k² + dim parameters (without bias, no + dim).

    Attributes:
        dim: width that comes out, in channels; by default that which enters.
        kernel: its size: of both sides, or `[height, width]`.
        stride: rows and columns from one window to the next.
        padding: rows and columns of zeros around the grid, or `same`; by default (kernel - 1) / 2 of odd kernels, else
            0.
        groups: parts into which the channels are cut; as many as channels: a depthwise convolution.
        dilation: rows and columns from one tap of the kernel to the next.
        fit: what becomes of the remainder at the rim: it is left out, refused, or filled up with zeros.
        bias: whether there is one.
        kernels: makes the kernels out of the image: a dynamic convolution.
        norm: after it.
        activation: after the norm.
        init: initial values of the kernel.
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
    fit: Fit = "drop"
    bias: bool = True
    kernels: Annotated[Kernels | None, Nested(Kernels)] = None
    norm: Norm = None
    activation: Activation = None
    init: InitField = None

    def infer(self, *inputs: Feature) -> Feature:
        """The grid of the windows at the new width."""
        (x,) = inputs
        return conv_feature(
            x, self.dim or x.dim, self.groups, self.kernel, self.stride, self.margin, self.dilation, self.fit
        )

    def leaves_out(self, *inputs: Feature) -> tuple[int, int]:
        """What no window reads."""
        grid = inputs[0].grid_only.grid
        assert grid is not None
        return (0, 0) if self.fit == "pad" else left_out(grid, self.kernel, self.stride, self.margin, self.dilation)

    @property
    def margin(self) -> Any:
        """The padding: what was written, or the kernel's default."""
        return default_padding(self.kernel) if self.padding is None else self.padding

    def cost(self, *inputs: Feature) -> Cost:
        (x,) = inputs
        y = self.infer(x)
        taps = y.dim * (x.dim // self.groups) * self.kernel[0] * self.kernel[1]
        return weights(taps + self.bias * y.dim, y.num_tokens * taps)

    def mixes_channels(self, *inputs: Feature) -> bool:
        """Unless it is depth-wise."""
        return self.groups < inputs[0].dim

    def layer(self, *inputs: Feature) -> partial[Module]:
        """A `torch.nn.Conv2d`, or one that pads as TensorFlow does."""
        from vitdsl.layers.convolution import Conv2d

        return partial(
            Conv2d, inputs[0].dim, self.infer(*inputs).dim, self.kernel, self.stride, self.margin, self.dilation,
            self.groups, self.bias, self.fit,
        )  # fmt: skip

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """One node; with `kernels` it is a dynamic convolution."""
        if self.kernels is None or (x.feature.tokens and x.feature.grid is not None):
            return super().emit(scope, x, path)
        if self.fit != "drop":
            raise ShapeError("a conv with `kernels` cannot fill its rim up", "leave `fit` out", ("fit",), "E414")
        dynamic = DynamicConv.trusted(
            kernels=self.kernels, dim=self.dim, kernel=self.kernel, stride=self.stride, padding=self.margin,
            groups=self.groups, dilation=self.dilation, bias=self.bias, init=self.init,
        )  # fmt: skip
        return self.follow(scope, scope.add(dynamic, (x,), path), path)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Plain, grouped with an odd grid, and TensorFlow's padding."""
        return [
            ({"dim": 8, "kernel": 3}, (Feature(3, (8, 8)),)),
            ({"dim": 12, "kernel": [5, 3], "stride": 2, "groups": 3, "bias": False}, (Feature(6, (9, 7)),)),
            ({"dim": 4, "kernel": 3, "stride": 2, "padding": "same"}, (Feature(4, (7, 8)),)),
            ({"dim": 4, "kernel": 3, "dilation": 2}, (Feature(4, (7, 8)),)),
            ({"dim": 4, "kernel": [4, 3], "stride": 3, "padding": 0, "fit": "pad"}, (Feature(4, (9, 2)),)),
        ]
