"""Norms that take tokens and maps alike.

Shapes: b batch, n tokens, c channels, h rows and w columns of a map.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def scale_and_shift(
    mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """Return what a batch norm does in evaluation, scale·x + shift: both (dim).

    Args:
        mean: running mean (dim).
        var: running variance (dim).
        weight: (dim), or None where it is 1.
        bias: (dim), or None where it is 0.
        eps: is added to the variance.
    """
    scale = torch.rsqrt(var + eps)
    scale = scale if weight is None else scale * weight
    shift = -mean * scale
    return scale, shift if bias is None else shift + bias


class BatchNorm(_BatchNorm):
    """Batch normalization of each channel over images and tokens.

    Parameters: `weight` (dim), `bias` (dim) where affine; the running statistics are buffers with torch's names.
    """

    _product: Product | None = None

    def __init__(self, dim: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        super().__init__(dim, eps, momentum, affine)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in (2, 4):
            raise ValueError(f"BatchNorm: (b, n, c), (b, c) or (b, c, h, w) is needed, found {input.ndim} axes")

    def forward(self, input: Tensor) -> Tensor:
        """Normalize the last axis of (b, n, c) and (b, c), axis 1 of (b, c, h, w)."""
        if input.ndim == 3:
            return self._normalized(input.flatten(0, 1)).view(input.shape)
        return self._normalized(input)

    def _normalized(self, input: Tensor) -> Tensor:
        mean, var = self.running_mean, self.running_var
        if self.training or mean is None:
            return super().forward(input)
        self._check_input_dim(input)  # what follows is what torch's own forward comes to
        return F.batch_norm(input, mean, var, self.weight, self.bias, False, 0.0, self.eps)

    def folded(self, layer: nn.Module) -> tuple[Tensor, Tensor] | None:
        """Return weight and bias of the layer and of this norm behind it, as one product; None: they cannot be kept.

        Args:
            layer: has `weight` (dim, …), and `bias` (dim) or none.
        """
        own, theirs, statistics = self._parameters, layer._parameters, self._buffers
        sources = (
            theirs["weight"], theirs["bias"], own["weight"], own["bias"],
            statistics["running_mean"], statistics["running_var"],
        )  # fmt: skip
        kept = self._product
        if kept is not None and kept.is_of(sources, self.eps):
            return kept.weight, kept.bias
        weight, bias, scale, shift, mean, var = sources
        if weight is None or mean is None or var is None or any(x is not None and x.is_inference() for x in sources):
            return None
        if any(type(x) is not nn.Parameter for x in sources[:4] if x is not None):
            return None  # a tensor in place of a parameter is there for one call, and may stand for several
        with torch.inference_mode(False), torch.no_grad():
            working = torch.promote_types(weight.dtype, torch.float32)
            factor, moved = scale_and_shift(mean.to(working), var.to(working), scale, shift, self.eps)
            moved = moved if bias is None else moved + bias * factor
            product = (weight * factor.view(-1, *[1] * (weight.ndim - 1))).to(weight.dtype), moved.to(weight.dtype)
            if weight.ndim == 4 and weight.device.type == "cpu":
                product = product[0].contiguous(memory_format=torch.channels_last), product[1]
        if type(product[0]) is Tensor:  # fake and distributed tensors must not outlive the mode that made them
            self._product = Product(*product, sources, self.eps)
        return product

    def train(self, mode: bool = True) -> BatchNorm:
        """Set the mode, and drop the product that is kept."""
        self._product = None
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> BatchNorm:
        self._product = None
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_product"}


class Product:
    """Weight and bias of a layer with a batch norm in them, and the state of the tensors that they were made of."""

    __slots__ = ("bias", "eps", "sources", "stamps", "weight")

    def __init__(self, weight: Tensor, bias: Tensor, sources: tuple[Tensor | None, ...], eps: float) -> None:
        self.weight, self.bias, self.sources, self.eps = weight, bias, sources, eps
        self.stamps = [None if x is None else (x._version, x.data_ptr()) for x in sources]

    def is_of(self, sources: tuple[Tensor | None, ...], eps: float) -> bool:
        """Whether it was made of these tensors and this `eps`, and nothing was written into them since."""
        if eps != self.eps:
            return False
        for x, before, stamp in zip(sources, self.sources, self.stamps, strict=True):
            if x is not before or (x is not None and (x._version, x.data_ptr()) != stamp):
                return False
        return True


class GroupNorm(nn.GroupNorm):
    """Normalization of groups of consecutive channels over all tokens of an image.

    Parameters: `weight` (dim), `bias` (dim).
    """

    def __init__(self, groups: int, dim: int, eps: float = 1e-5) -> None:
        super().__init__(groups, dim, eps)

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (b, n, c) or (b, c, h, w)."""
        if input.ndim == 3:
            return super().forward(input.transpose(1, 2)).transpose(1, 2)
        return super().forward(input)


class Affine(nn.Module):
    """A scale of each channel, and a shift where `bias` says so; without it, LayerScale.

    Parameters: `weight` (dim), `bias` (dim).
    """

    bias: nn.Parameter | None

    def __init__(self, dim: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim))
        self.register_parameter("bias", nn.Parameter(torch.empty(dim)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as the identity."""
        nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift (b, n, c) or (b, c, h, w)."""
        weight, bias = self.weight, self.bias
        if x.ndim == 4:
            weight, bias = weight[:, None, None], None if bias is None else bias[:, None, None]
        return x * weight if bias is None else x * weight + bias

    def extra_repr(self) -> str:
        """What `print` shows of the sizes."""
        return f"{self.weight.shape[0]}, bias={self.bias is not None}"
