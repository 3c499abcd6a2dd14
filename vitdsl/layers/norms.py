"""Norms that take tokens and maps alike.

Shapes: b batch, n tokens, c channels, h rows and w columns of a map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class BatchNorm(_BatchNorm):
    """Batch normalization of each channel over images and tokens.

    Parameters: `weight` (dim), `bias` (dim) where affine; the running statistics are buffers with torch's names.
    """

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
