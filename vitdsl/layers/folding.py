"""A batch norm behind a linear map or convolution: in inference both are one product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from .convolution import Conv2d
from .lengths import runs_as_written
from .linear import Linear
from .norms import BatchNorm
from .replaceable import map_channels


def linear_and_norm(linear: nn.Module, x_bnc: Tensor, norm: nn.Module | None = None) -> Tensor:
    """Apply a linear map to tokens, then its batch norm.

    Without gradients, and with the norm in evaluation mode, both are one product. Its weights are kept in the norm;
    they are made anew where one of the tensors that they are made of is another one, or was written to (a write through
    `.data` cannot be noticed: call `eval()` after it). Both modules are called as they are in training, while something
    compiles, exports or traces, where either has a hook, and where it was replaced.

    Args:
        linear: `Linear`, or what was put in its place.
        x_bnc: (b, n, c).
        norm: `BatchNorm`, or what was put in its place; None: `linear.norm`.

    Returns:
        (b, n, dim).
    """
    follower: Any = linear.norm if norm is None else norm
    y_bnc = _product(linear, follower, x_bnc)
    if y_bnc is not None:
        return y_bnc
    y_bnc = linear(x_bnc)
    return follower(y_bnc.flatten(0, 1)).view_as(y_bnc)


def conv_and_norm(conv: nn.Module, x_bchw: Tensor, norm: nn.Module | None = None) -> Tensor:
    """Apply a convolution to a map, then its batch norm, as `linear_and_norm` does; return (b, dim, h', w')."""
    follower: Any = conv.norm if norm is None else norm
    y_bchw = _product(conv, follower, x_bchw)
    return follower(conv(x_bchw)) if y_bchw is None else y_bchw


def pointwise_and_norm(linear: nn.Module, x_bchw: Tensor, norm: nn.Module | None = None) -> Tensor:
    """Apply a linear map to a map, then its batch norm, as `linear_and_norm` does; return (b, dim, h, w)."""
    follower: Any = linear.norm if norm is None else norm
    y_bchw = _product(linear, follower, x_bchw)
    return follower(map_channels(linear, x_bchw)) if y_bchw is None else y_bchw


def _product(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor | None:
    """What both make, in one; None: both must be called."""
    if not runs_as_written(x) or torch.is_grad_enabled() or not _are_plain(layer, norm):
        return None
    product = norm.folded(layer)  # type: ignore[operator]
    return None if product is None else layer.compute(x, *product)  # type: ignore[operator]


def _are_plain(layer: nn.Module, norm: nn.Module) -> bool:
    """Whether a call of both would be no more than their own forwards in evaluation."""
    if norm.training or type(norm) is not BatchNorm or type(layer) not in (Linear, Conv2d) or _has_any_global_hook():
        return False
    return not any(
        each._forward_hooks or each._forward_pre_hooks or "forward" in each.__dict__ for each in (layer, norm)
    )
