"""What the proxies share: a copy of the model to work on, its linear maps, its gradients, and what passes a module.

A proxy judges a model as it is initialized. It works on a copy, so that the model stays as it was: weights, gradients,
buffers, mode and hooks.

The copy is in evaluation mode: nothing is dropped, and the outputs are merged as evaluation merges them. Its batch
norms take the statistics of the batch, since those of a model that has not been trained say nothing; proxies that see
no data leave them (mean 0, variance 1). Which modules are looked at is read off the graph (`vitdsl.graph.roles`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdsl.compiler.model import VisionModel
from vitdsl.errors import Problem, SpecError
from vitdsl.graph.graph import Graph
from vitdsl.graph.roles import Role, roles_of


class ProxyError(SpecError):
    """A proxy says nothing about this model, or was given what it cannot use."""


class Batch(NamedTuple):
    """What a proxy may look at.

    Attributes:
        images: (B, C, H, W).
        labels: (B,) of integers, or None.
        seed: of everything that it draws.
    """

    images: Tensor
    labels: Tensor | None
    seed: int


class Weight(NamedTuple):
    """A matrix of a linear map.

    Attributes:
        path: module path of the map.
        role: what the map is there for.
        tensor: the parameter, of two or more axes.
    """

    path: str
    role: Role
    tensor: nn.Parameter


Proxy = Callable[[VisionModel, Batch], "float | dict[str, float]"]


def refusal(message: str, hint: str = "") -> ProxyError:
    """An error without a place in a file."""
    return ProxyError(Problem(message, hint=hint))


def graph_of(model: VisionModel) -> Graph:
    """The graph that the model was compiled from, batch norms unfolded."""
    return model.spec.graph(model.image_size)


# ---------------------------------------------------------------- the copy


def prepared(model: VisionModel, dtype: torch.dtype, statistics: bool = True) -> VisionModel:
    """A copy to work on; every parameter of it takes a gradient.

    Args:
        model: is left as it is.
        dtype: of the copy.
        statistics: whether batch norms take those of the batch.
    """
    return ready(copy.deepcopy(model), dtype, statistics)


def ready(made: VisionModel, dtype: torch.dtype, statistics: bool = True) -> VisionModel:
    """Brings a copy into the state that proxies work in, in place."""
    made = made.to(dtype).eval().requires_grad_(True)
    for module in made.modules():
        if statistics and "running_mean" in module._buffers:
            module.training = True
    return made


def float_type(model: VisionModel) -> torch.dtype:
    """The model's own type, but float32 for half types, whose gradients overflow."""
    dtype = next((parameter.dtype for parameter in model.parameters()), torch.float32)
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def device_of(model: VisionModel) -> torch.device:
    """Where the model is."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def absolute(model: VisionModel) -> None:
    """Takes the absolute value of every parameter, in place."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()


def ones(model: VisionModel) -> Tensor:
    """One image of ones, of the size that the model was built for."""
    channels = graph_of(model).frame.features[0].dim
    return torch.ones(1, channels, *model.image_size, dtype=float_type(model), device=device_of(model))


# ---------------------------------------------------------------- weights and gradients


def weights_of(model: VisionModel) -> list[Weight]:
    """The matrices of all linear maps, in the order of the graph; biases and norms are none."""
    roles = roles_of(graph_of(model))
    found: dict[str, list[nn.Parameter]] = {path: [] for path in roles}
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        while owner and owner not in found:
            owner = owner.rpartition(".")[0]
        if owner and parameter.ndim >= 2:
            found[owner].append(parameter)
    return [Weight(path, roles[path], tensor) for path, tensors in found.items() for tensor in tensors]


def gradients(scalar: Tensor, weights: list[Weight]) -> list[Tensor]:
    """The gradient of each weight; zeros for one that the scalar does not depend on, such as a head of training."""
    tensors = [weight.tensor for weight in weights]
    found = torch.autograd.grad(scalar, tensors, allow_unused=True)
    return [
        torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(tensors, found, strict=True)
    ]


def saliency(weights: list[Weight], found: list[Tensor]) -> float:
    """Σ |g ⊙ W| of gradients and their weights."""
    return sum(
        float((gradient * weight.tensor.detach()).abs().sum()) for gradient, weight in zip(found, weights, strict=True)
    )


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


# ---------------------------------------------------------------- what passes modules


@contextmanager
def watched(model: nn.Module, paths: Mapping[str, str] | list[str] | tuple[str, ...]) -> Iterator[list[Tensor]]:
    """A list that takes what enters the modules at these paths, in the order of their calls."""
    seen: list[Tensor] = []
    handles = [
        model.get_submodule(path).register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        for path in paths
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


# ---------------------------------------------------------------- what comes out


def checked(name: str, value: float, model: VisionModel, positive: bool) -> float:
    """The value of a proxy.

    Args:
        name: of the proxy or its component.
        value: what it computed.
        model: of which.
        positive: whether it is a sum that is 0 only where no gradient reaches a weight.

    Raises:
        ProxyError: it is no number, or an empty sum.
    """
    value = float(value)
    if not math.isfinite(value):
        raise refusal(f"the proxy `{name}` of `{model.spec.name}` is {value}", WHY_NOT_FINITE.get(name, ""))
    if positive and value == 0:
        raise refusal(
            f"the proxy `{name}` of `{model.spec.name}` is 0: no gradient reaches a weight",
            "a head or a branch that begins at zero lets none through",
        )
    return value


WHY_NOT_FINITE = {
    "naswot": "two images have the same codes: use other images, or a batch with fewer of them",
    "jacob_cov": "the output does not depend on an image",
    "synflow": "values grow past float64 where a deep model has no norms",
    "dss": "values grow past float64 where a deep model has no norms",
}
