"""Dynamic convolution."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from vitdsl.errors import ShapeError, refuse
from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Margin, Natural, Positive, PositiveReal, Size
from vitdsl.parts.base import Fields, Module, Nested, Primitive
from vitdsl.parts.initial import InitField
from vitdsl.parts.windowing import conv_feature, left_out


class Kernels(Fields):
    """How a dynamic convolution makes its kernels out of the image.

    `by: image` with `count`: a bank of static kernels, mixed by coefficients (D-Conv). `by: image` without: kernels
    generated from the mean of the image (D-DW-Conv). `by: position`: generated at every position (I-D-DW-Conv).

    Attributes:
        by: whether the whole `image` has one kernel, or each `position` its own.
        count: number of static kernels in the bank; without it kernels are generated.
        reduction: width that enters / hidden width of what makes the kernels.
        activation: how the coefficients of the bank are made.
        temperature: the logits of these coefficients are divided by it.
        groups: number of groups of channels; those of a group share a kernel.
        extra: further channels of the hidden layer.
    """

    by: Literal["image", "position"] = "image"
    count: Positive | None = None
    reduction: Positive = 4
    activation: Literal["softmax", "sigmoid"] = "softmax"
    temperature: PositiveReal = 1.0
    groups: Positive | None = None
    extra: Natural = 0

    def agree(self) -> None:
        """Refuses fields that do nothing beside the others."""
        if self.by == "position" and self.count is not None:
            message = "kernels by position are generated, not mixed, so `count` would do nothing"
            refuse(message, "`by: image` mixes a bank of kernels", ("count",), "E207")
        bank, position = self.count is not None, self.by == "position"
        needs = {"temperature": (bank, "`count`"), "groups": (position and not bank, "`by: position`")}
        for name, (is_read, other) in needs.items():
            if not is_read and name in self.fields_set and getattr(self, name) is not None:
                refuse(f"`{name}` of kernels needs {other} beside it", f"leave `{name}` out", (name,), "E202")


class DynamicConv(Primitive):
    """A convolution whose kernels the image makes: what `conv` with `kernels` becomes.

    Paper: D-Conv, arXiv 1912.03458; D-DW-Conv and I-D-DW-Conv, arXiv 2106.04263. Symbols: count = K, groups = G.
    Shape: (B, C, H, W) -> (B, dim, H', W').
    Cost: as the three layers of `vitdsl.layers.dynamic` say.
    """

    family: ClassVar[str] = "internal"
    on_grid: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "map"
    dynamic: ClassVar[Literal["", "point-wise", "depth-wise"]] = "depth-wise"
    without_map: ClassVar[str] = "it is a dynamic convolution, which weighs neighbours by their place alone"
    type: Literal["dynamic_conv"] = "dynamic_conv"
    kernels: Annotated[Kernels, Nested(Kernels)]
    dim: Positive | None = None
    kernel: Size = (1, 1)
    stride: Size = (1, 1)
    padding: Margin = (0, 0)
    groups: Positive = 1
    dilation: Size = (1, 1)
    bias: bool = True
    init: InitField = None

    def leaves_out(self, *inputs: Feature) -> tuple[int, int]:
        """What no window reads."""
        grid = inputs[0].grid_only.grid
        assert grid is not None
        return left_out(grid, self.kernel, self.stride, self.padding, self.dilation)

    def infer(self, *inputs: Feature) -> Feature:
        """As the static convolution; generated kernels are depth-wise."""
        (x,) = inputs
        y = conv_feature(x, self.dim or x.dim, self.groups, self.kernel, self.stride, self.padding, self.dilation)
        self._refuse_what_no_layer_does()
        if self.kernels.count is None and y.dim != x.dim:
            raise ShapeError(
                f"generated kernels are depth-wise: `dim` must be the width that enters ({x.dim}), but is {y.dim}",
                "`kernels: {count: 4}` mixes a bank of full kernels",
                ("dim",),
                "E414",
            )
        if self._groups(x) and x.dim % self._groups(x):
            message = f"`kernels.groups` ({self._groups(x)}) must divide the width that enters ({x.dim})"
            raise ShapeError(message, "", ("kernels", "groups"), "E402")
        return y

    def _refuse_what_no_layer_does(self) -> None:
        kernels, margin = self.kernels, self.padding
        if margin == "same":
            message = "a conv with `kernels` cannot pad as `same`"
            raise ShapeError(message, "write the padding as a number", ("padding",), "E414")
        if kernels.activation != "softmax":
            message = f"`kernels.activation` must be softmax, but is {kernels.activation}"
            raise ShapeError(message, "", ("kernels", "activation"), "E414")
        if kernels.count is not None or kernels.by != "position":
            return
        (k_h, k_w), (d_h, d_w) = self.kernel, self.dilation
        if not (k_h % 2 and k_w % 2) or margin != (d_h * (k_h - 1) // 2, d_w * (k_w - 1) // 2):
            raise ShapeError(
                "kernels by position must be odd and padded by dilation·(kernel - 1) / 2, "
                f"but the kernel is {k_h}x{k_w} and the padding {margin[0]}x{margin[1]}",
                "",
                ("kernel",),
                "E414",
            )

    def _groups(self, x: Feature) -> int:
        return self.kernels.groups or x.dim

    def _hidden(self, x: Feature) -> int:
        return max(1, x.dim // self.kernels.reduction) + self.kernels.extra

    def cost(self, *inputs: Feature) -> Cost:
        (x,) = inputs
        y, hidden, area = self.infer(x), self._hidden(x), self.kernel[0] * self.kernel[1]
        if self.kernels.count is not None:
            kernel = y.dim * (x.dim // self.groups) * area
            bank = self.kernels.count * (kernel + self.bias * y.dim)
            mixing = hidden * x.dim + self.kernels.count * hidden
            return weights(bank + mixing + self.kernels.count, mixing + bank + y.num_tokens * kernel)
        if self.kernels.by == "image":
            made = x.dim * area * hidden
            bias = self.bias * x.dim
            params = bias + hidden * x.dim + 2 * hidden + made + x.dim * area
            return weights(params, hidden * x.dim + made + y.size * area)
        made = self._groups(x) * area
        params = hidden * x.dim + 3 * hidden + made * (hidden + 1)
        return weights(params, y.num_tokens * (x.dim * hidden + hidden * made + x.dim * area))

    def mixes_channels(self, *inputs: Feature) -> bool:
        """A bank of kernels may; kernels that are made are depth-wise."""
        return self.kernels.count is not None and self.groups < inputs[0].dim

    def layer(self, *inputs: Feature) -> partial[Module]:
        """One of three layers."""
        from vitdsl.layers.dynamic import BankConv2d, GeneratedDepthwise2d, PositionDepthwise2d

        (x,) = inputs
        kernels, hidden = self.kernels, self._hidden(x)
        sliding = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        if kernels.count is not None:
            return partial(
                BankConv2d, x.dim, self.infer(x).dim, self.kernel, count=kernels.count, hidden=hidden,
                groups=self.groups, temperature=kernels.temperature, bias=self.bias, **sliding,
            )  # fmt: skip
        if kernels.by == "image":
            return partial(GeneratedDepthwise2d, x.dim, self.kernel, hidden=hidden, bias=self.bias, **sliding)
        return partial(
            PositionDepthwise2d,
            x.dim,
            self.kernel,
            hidden=hidden,
            groups=self._groups(x),
            stride=self.stride,
            dilation=self.dilation,
        )

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """The three kinds, at odd sizes."""
        bank = {"dim": 6, "kernel": 3, "stride": 2, "padding": 1, "kernels": {"count": 3, "extra": 1}}
        depthwise = {"kernel": 3, "padding": 1}
        return [
            (bank, (Feature(4, (7, 5)),)),
            ({**depthwise, "kernels": {}}, (Feature(8, (5, 3)),)),
            ({**depthwise, "kernels": {"by": "position", "groups": 2}}, (Feature(8, (5, 3)),)),
        ]
