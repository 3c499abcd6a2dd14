"""What the proxies share: a working copy of the model, its linear maps, their gradients, and the loss.

A proxy judges a model as it is initialized. It works on a copy, so that the model stays as it was: weights, gradients,
buffers, mode and hooks.

The copy is in evaluation mode: nothing is dropped, and the outputs are merged as evaluation merges them. Its batch
norms use the statistics of the batch, since the running ones of an untrained model say nothing; proxies without data
use the initial ones (mean 0, variance 1). The graph says which modules matter (`vitdsl.graph.roles`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdsl.compiler.model import VisionModel
from vitdsl.errors import Problem, SpecError
from vitdsl.graph.graph import Graph
from vitdsl.graph.roles import Role, roles_of


class ProxyError(SpecError):
    """A proxy cannot score this model, or cannot use its arguments."""


class Batch(NamedTuple):
    """The inputs of a proxy.

    Attributes:
        images: (B, C, H, W).
        labels: (B,) of integers, or None.
        seed: of all random draws.
    """

    images: Tensor
    labels: Tensor | None
    seed: int


class Weight(NamedTuple):
    """A matrix of a linear map.

    Attributes:
        path: module path of the map.
        role: whether the map mixes tokens or channels.
        tensor: the parameter, of two or more axes.
    """

    path: str
    role: Role
    tensor: nn.Parameter


Proxy = Callable[[VisionModel, Batch], "float | dict[str, float]"]


def refusal(message: str, hint: str = "") -> ProxyError:
    """An error without a place in a file."""
    return ProxyError(Problem(message, hint=hint, code="E911"))


def graph_of(model: VisionModel) -> Graph:
    """The graph that the model was compiled from, batch norms unfolded."""
    return model.spec.graph(model.image_size)


# ---------------------------------------------------------------- the copy


def working_copy(model: VisionModel, dtype: torch.dtype, batch_statistics: bool = True) -> VisionModel:
    """A copy for a proxy, in evaluation mode; every parameter of it takes a gradient.

    Args:
        model: is left as it is.
        dtype: of the copy.
        batch_statistics: whether batch norms use the statistics of the batch.
    """
    return set_up(copy.deepcopy(model), dtype, batch_statistics)


def set_up(model: VisionModel, dtype: torch.dtype, batch_statistics: bool = True) -> VisionModel:
    """Makes a working copy of a model in place."""
    model = model.to(dtype).eval().requires_grad_(True)
    for module in model.modules():
        if batch_statistics and "running_mean" in module._buffers:
            module.training = True
    return model


def float_type(model: VisionModel) -> torch.dtype:
    """The model's own type, but float32 for half types, whose gradients overflow."""
    dtype = next((parameter.dtype for parameter in model.parameters()), torch.float32)
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def device_of(model: VisionModel) -> torch.device:
    """The device of the model."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


# ---------------------------------------------------------------- weights and gradients


def weights_of(model: VisionModel) -> list[Weight]:
    """The matrices of all linear maps, in the order of the graph; without biases and norms."""
    roles = roles_of(graph_of(model))
    matrices: dict[str, list[nn.Parameter]] = {path: [] for path in roles}
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        while owner and owner not in matrices:
            owner = owner.rpartition(".")[0]
        if owner and parameter.ndim >= 2:
            matrices[owner].append(parameter)
    return [Weight(path, roles[path], tensor) for path, tensors in matrices.items() for tensor in tensors]


def gradients_of(scalar: Tensor, weights: list[Weight]) -> list[Tensor]:
    """The gradient of each weight; zeros for one that the scalar does not depend on, such as a head of training."""
    tensors = [weight.tensor for weight in weights]
    return list(torch.autograd.grad(scalar, tensors, allow_unused=True, materialize_grads=True))


def loss(model: VisionModel, images: Tensor, labels: Tensor | None) -> Tensor:
    """Mean cross entropy of the merged outputs.

    Raises:
        ProxyError: there are no labels, or the model gives no logits for them.
    """
    if labels is None:
        raise refusal("a loss needs labels, but there are none", "`synflow`, `dss`, `naswot` or `az_nas` do without")
    logits = model(images)
    if logits.ndim != 2:
        shape = ", ".join(map(str, logits.shape[1:]))
        raise refusal(f"a loss needs logits (B, classes), but the model gives (B, {shape})", "a head with a `pool`")
    if not 0 <= int(labels.min()) <= int(labels.max()) < logits.shape[1]:
        raise refusal(
            f"labels go from {int(labels.min())} to {int(labels.max())}, but the model has {logits.shape[1]} classes"
        )
    return F.cross_entropy(logits, labels)
