"""The score that a proxy gives a model."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.errors import did_you_mean
from vitdsl.search.proxies.az_nas import COMPONENTS, az_nas
from vitdsl.search.proxies.base import Batch, Proxy, device_of, float_type, refusal
from vitdsl.search.proxies.codes import naswot, swap
from vitdsl.search.proxies.gradients import jacob_cov, zico
from vitdsl.search.proxies.sums import dss, grad_norm, macs, params, snip, synflow

PROXIES: Mapping[str, Proxy] = {
    "params": params, "macs": macs, "snip": snip, "synflow": synflow, "grad_norm": grad_norm, "naswot": naswot,
    "jacob_cov": jacob_cov, "dss": dss, "az_nas": az_nas, "zico": zico, "swap": swap,
}  # fmt: skip
LABELLED = frozenset({"snip", "grad_norm", "zico"})
"""Proxies that need labels."""
SUMS = frozenset({"snip", "synflow", "grad_norm", "dss"})
"""Proxies that are 0 only where no gradient reaches a weight."""
CAUSES = {
    "naswot": "two images have the same codes: use other images, or a batch with fewer of them",
    "jacob_cov": "the output does not depend on an image",
    "synflow": "values grow past float64 where a deep model has no norms",
    "dss": "values grow past float64 where a deep model has no norms",
}
"""Why a score is not finite, by proxy."""


def measures_of(name: str) -> tuple[str, ...]:
    """The measures that a proxy gives: itself, or its components, each under a name of its own."""
    return tuple(f"{name}.{part}" for part in COMPONENTS) if name == "az_nas" else (name,)


def score(
    name: str, model: VisionModel, images: Tensor, labels: Tensor | None = None, seed: int = 0
) -> float | dict[str, float]:
    """Scores a model, and leaves it as it was.

    Args:
        name: one of `PROXIES`.
        model: what `build` gave, with its initial weights.
        images: (B, C, H, W), at least two, of the size that the model was built for.
        labels: (B,) of integers; only `snip`, `grad_norm` and `zico` need them.
        seed: of all random draws; equal seeds give equal values. The global generators are left as they were.

    Returns:
        A number, more is better; of `az_nas` one for each of its components, to be ranked by `aggregate`.

    Raises:
        ProxyError: there is no such proxy, it cannot judge this model with this batch, or a score is not finite.
    """
    if name not in PROXIES:
        raise refusal(f"there is no proxy `{name}`", did_you_mean(name, list(PROXIES)))
    batch = Batch(*_on_device(model, images, labels), seed)
    devices = [batch.images.device] if batch.images.is_cuda else []
    with torch.random.fork_rng(devices), torch.enable_grad():
        torch.manual_seed(seed)
        result = PROXIES[name](model, batch)
    if isinstance(result, dict):
        return {part: _check(f"{name}.{part}", value, model) for part, value in result.items()}
    return _check(name, result, model)


def _on_device(model: VisionModel, images: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The batch on the model's device, in the type that proxies compute in."""
    device = device_of(model)
    if device.type == "meta":
        raise refusal("proxies need weights, but this model is on the meta device", "`build` with a device")
    channels = model.spec.graph(model.image_size).frame.features[0].dim
    shape_chw = (channels, *model.image_size)
    if images.ndim != 4 or tuple(images.shape[1:]) != shape_chw or len(images) < 2:
        shape = ", ".join(map(str, images.shape))
        raise refusal(f"at least two images ({', '.join(map(str, shape_chw))}) are needed, but the batch is ({shape})")
    if labels is not None and (labels.shape != images.shape[:1] or labels.is_floating_point()):
        shape = ", ".join(map(str, labels.shape))
        raise refusal(f"labels are integers ({len(images)},), but these are {labels.dtype} ({shape})")
    return images.detach().to(device, float_type(model)), None if labels is None else labels.to(device).long()


def _check(measure: str, value: float, model: VisionModel) -> float:
    """A finite score; refused where it is not finite, or an empty sum."""
    if not math.isfinite(value):
        raise refusal(f"the proxy `{measure}` of `{model.spec.name}` is {value}", CAUSES.get(measure, ""))
    if measure in SUMS and value == 0:
        raise refusal(
            f"the proxy `{measure}` of `{model.spec.name}` is 0: no gradient reaches a weight",
            "a head or a branch that begins at zero lets none through",
        )
    return value
