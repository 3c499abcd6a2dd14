"""Convolutions whose kernels the input makes: a generator of kernels, and their application.

Shapes: b batch, c channels, h and w the map, o channels out, k kernels of a bank, g groups of channels.

In the docstrings: C channels in, O channels out, G groups, K = kernel rows x kernel columns, L positions of the
output map. Multiply-adds are those of one image.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Size = int | tuple[int, int]


def pair(value: Size) -> tuple[int, int]:
    """One number for both axes, or both."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def convolve_each(
    x_bchw: Tensor, kernels: Tensor, bias_bo: Tensor | None, stride: Size, padding: Size, dilation: Size, groups: int
) -> Tensor:
    """Convolve each image with kernels of its own, as one convolution with batch·groups groups.

    Args:
        x_bchw: (b, c, h, w).
        kernels: (b, o, c/groups, kernel rows, kernel columns).
        bias_bo: (b, o) or None.
        stride: rows and columns from one output to the next.
        padding: rows and columns of zeros on each side.
        dilation: rows and columns from one entry of the kernel to the next.
        groups: groups of channels in one image.

    Returns:
        (b, o, rows, columns).
    """
    batch, channels, height, width = x_bchw.shape
    # through one axis: torch takes a map of one place for channels-last by its strides, and then fails on its gradient
    folded = x_bchw.reshape(-1).view(1, batch * channels, height, width)
    bias = None if bias_bo is None else bias_bo.reshape(-1)
    y = F.conv2d(folded, kernels.flatten(0, 1), bias, stride, padding, dilation, batch * groups)
    return y.reshape(batch, kernels.shape[1], y.shape[2], y.shape[3])


class Reduce(nn.Conv2d):
    """A 1x1 convolution, a batch norm where asked for, and ReLU.

    Parameters: `weight` (hidden, dim, 1, 1), `bias` (hidden), those of `norm`. Multiply-adds: dim·hidden a position.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        *,
        stride: Size = 1,
        bias: bool = False,
        norm: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(dim, hidden, 1, stride=stride, bias=bias, device=device, dtype=dtype)
        self.norm = nn.BatchNorm2d(hidden, device=device, dtype=dtype) if norm else None

    def forward(self, input: Tensor) -> Tensor:
        """Return (b, hidden, h, w)."""
        y_bchw = super().forward(input)
        if self.norm is not None:
            y_bchw = self.norm(y_bchw)
        return F.relu(y_bchw)


class BankConv2d(nn.Module):
    """A convolution whose kernels are a mixture, made for each image, of a bank of kernels.

    The coefficients are softmax(generate(relu(reduce(mean over the map))) / temperature); they mix kernels and biases.
    `temperature` is a plain number that a recipe may lower while it trains.

    Parameters: `weight` (count, O, C/G, k, k), `bias` (count, O), `reduce.weight` (hidden, C, 1, 1),
    `generate.weight` (count, hidden, 1, 1), `generate.bias` (count):
    count·(O·C/G·K + O) + hidden·C + count·hidden + count (without bias, count·O fewer).
    Multiply-adds: hidden·C + count·hidden + count·(O·C/G·K + O) + L·O·C/G·K (without bias, count·O fewer).
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        in_dim: int,
        dim: int,
        kernel: Size,
        *,
        count: int,
        hidden: int,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        temperature: float = 1.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.dilation, self.groups = pair(stride), pair(padding), pair(dilation), groups
        self.temperature = temperature
        self.weight = nn.Parameter(torch.empty(count, dim, in_dim // groups, *pair(kernel), device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(count, dim, device=device, dtype=dtype)) if bias else None
        )
        self.reduce = Reduce(in_dim, hidden, norm=False, device=device, dtype=dtype)
        self.generate = nn.Conv2d(hidden, count, 1, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw each kernel of the bank as `torch.nn.Conv2d` draws its own."""
        bound = 1 / math.sqrt(self.weight[0, 0].numel())
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def coefficients(self, x_bchw: Tensor) -> Tensor:
        """How much of each kernel an image takes: (b, k), rows that sum to 1."""
        logits_bk = self.generate(self.reduce(x_bchw.mean((2, 3), keepdim=True))).flatten(1)
        return torch.softmax(logits_bk / self.temperature, dim=1)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return (b, o, rows, columns)."""
        coefficients_bk = self.coefficients(x_bchw)
        kernels = (coefficients_bk @ self.weight.flatten(1)).unflatten(1, self.weight.shape[1:])
        bias_bo = None if self.bias is None else coefficients_bk @ self.bias
        return convolve_each(x_bchw, kernels, bias_bo, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return (
            f"{tuple(self.weight.shape)}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"groups={self.groups}, temperature={self.temperature}, bias={self.bias is not None}"
        )


class GeneratedDepthwise2d(nn.Module):
    """A depthwise convolution whose kernels are generated for each image.

    The mean over the map goes through `reduce` (1x1 without bias, batch norm, ReLU) and `generate` (1x1 with bias) to
    the kernels, in the order channel, row, column. The bias is static.

    Parameters: `bias` (C), `reduce.weight` (hidden, C, 1, 1), `reduce.norm.weight` and `.bias` (hidden),
    `generate.weight` (C·K, hidden, 1, 1), `generate.bias` (C·K): C + hidden·C + 2·hidden + C·K·hidden + C·K
    (without bias, C fewer).
    Multiply-adds: hidden·C + hidden·C·K + L·C·K.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        dim: int,
        kernel: Size,
        *,
        hidden: int,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.kernel = dim, pair(kernel)
        self.stride, self.padding, self.dilation = pair(stride), pair(padding), pair(dilation)
        self.register_parameter("bias", nn.Parameter(torch.empty(dim, device=device, dtype=dtype)) if bias else None)
        self.reduce = Reduce(dim, hidden, device=device, dtype=dtype)
        self.generate = nn.Conv2d(hidden, dim * math.prod(self.kernel), 1, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start without a bias."""
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return (b, c, rows, columns)."""
        kernels = self.generate(self.reduce(x_bchw.mean((2, 3), keepdim=True))).flatten(1)
        kernels = kernels.unflatten(1, (self.dim, 1, *self.kernel))
        y_bchw = convolve_each(x_bchw, kernels, None, self.stride, self.padding, self.dilation, self.dim)
        return y_bchw if self.bias is None else y_bchw + self.bias[:, None, None]

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return (
            f"{self.dim}, kernel={self.kernel}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, bias={self.bias is not None}"
        )


class PositionDepthwise2d(nn.Module):
    """A convolution whose kernels are generated for each position and each group of consecutive channels.

    `reduce` (1x1 with bias, batch norm, ReLU) and `generate` (1x1 with bias) make, at each output position, the entries
    (group, row, column) of its kernels. Outside the map is zero; kernels are odd, and the map keeps its size but for
    the stride. Views of the padded map are multiplied and summed one row of the kernel at a time: the neighbourhoods,
    K times the map, are never written down, neither here nor for the backward pass.

    Parameters: `reduce.weight` (hidden, C, 1, 1), `reduce.bias` (hidden), `reduce.norm.weight` and `.bias` (hidden),
    `generate.weight` (groups·K, hidden, 1, 1), `generate.bias` (groups·K): hidden·C + 3·hidden + groups·K·(hidden + 1).
    Multiply-adds: L·(C·hidden + hidden·groups·K) in `reduce` and `generate`, and L·C·K in the application; these last
    are products of elements, which `FlopCounterMode` does not see.
    """

    def __init__(
        self,
        dim: int,
        kernel: Size,
        *,
        hidden: int,
        groups: int,
        stride: Size = 1,
        dilation: Size = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.kernel, self.groups = dim, pair(kernel), groups
        self.stride, self.dilation = pair(stride), pair(dilation)
        if dim % groups or not all(size % 2 for size in self.kernel):
            raise ValueError(
                f"PositionDepthwise2d: kernels must be odd and groups divide the channels, found kernel {self.kernel}, "
                f"{groups} groups, {dim} channels"
            )
        self.reduce = Reduce(dim, hidden, stride=self.stride, bias=True, device=device, dtype=dtype)
        self.generate = nn.Conv2d(hidden, groups * math.prod(self.kernel), 1, device=device, dtype=dtype)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return (b, c, ⌈h / stride⌉, ⌈w / stride⌉)."""
        kernels = self.generate(self.reduce(x_bchw))
        kernels = kernels.unflatten(1, (self.groups, 1, *self.kernel))
        rows = kernels.shape[-2]
        (stride_h, stride_w), (dilation_h, dilation_w) = self.stride, self.dilation
        reach_h, reach_w = (d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True))
        margins = (reach_w // 2, reach_w // 2, reach_h // 2, reach_h // 2)
        padded_bgchw = F.pad(x_bchw, margins).unflatten(1, (self.groups, -1))
        y_bgchw = padded_bgchw.new_zeros(())
        for i in range(self.kernel[0]):
            top = i * dilation_h
            band = padded_bgchw[..., top : top + stride_h * (rows - 1) + 1 : stride_h, :]
            views_bgckhw = band.unfold(-1, reach_w + 1, stride_w)[..., ::dilation_w].movedim(-1, 3)
            y_bgchw = y_bgchw + (views_bgckhw * kernels[:, :, :, i]).sum(3)
        return y_bgchw.flatten(1, 2)

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{self.dim}, kernel={self.kernel}, groups={self.groups}, stride={self.stride}, dilation={self.dilation}"
