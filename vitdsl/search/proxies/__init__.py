"""Zero-cost proxies: what a model that has not been trained tells of how it would do.

A proxy orders candidates; its values mean nothing alone. Within one family of models the good ones reach a Kendall τ of
0.5 to 0.7 with trained accuracy; across families nothing is known. `correlations` says how much of a proxy is size.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.errors import did_you_mean
from vitdsl.search.proxies.az_nas import COMPONENTS, az_nas
from vitdsl.search.proxies.base import Batch, Proxy, ProxyError, checked, device_of, float_type, refusal
from vitdsl.search.proxies.dss import dss
from vitdsl.search.proxies.grad_norm import grad_norm
from vitdsl.search.proxies.jacob_cov import jacob_cov
from vitdsl.search.proxies.macs import macs
from vitdsl.search.proxies.naswot import naswot
from vitdsl.search.proxies.params import params
from vitdsl.search.proxies.ranks import Correlation, aggregate, correlation, correlations
from vitdsl.search.proxies.snip import snip
from vitdsl.search.proxies.swap import swap
from vitdsl.search.proxies.synflow import synflow
from vitdsl.search.proxies.zico import zico

PROXIES: Mapping[str, Proxy] = {
    "params": params,
    "macs": macs,
    "snip": snip,
    "synflow": synflow,
    "grad_norm": grad_norm,
    "naswot": naswot,
    "jacob_cov": jacob_cov,
    "dss": dss,
    "az_nas": az_nas,
    "zico": zico,
    "swap": swap,
}
LABELLED = frozenset({"snip", "grad_norm", "zico"})
"""Proxies that need labels."""
SUMS = frozenset({"snip", "synflow", "grad_norm", "dss"})
"""Proxies that are 0 only where no gradient reaches a weight."""


def measures_of(name: str) -> tuple[str, ...]:
    """The measures that a proxy gives: itself, or its components, each under a name of its own."""
    return tuple(f"{name}.{part}" for part in COMPONENTS) if name == "az_nas" else (name,)


def measure(
    name: str, model: VisionModel, images: Tensor, labels: Tensor | None = None, seed: int = 0
) -> float | dict[str, float]:
    """What a proxy says of a model, which stays as it was.

    Args:
        name: one of `PROXIES`.
        model: what `build` gave, with weights as they were initialized.
        images: (B, C, H, W), at least two, of the size that the model was built for.
        labels: (B,) of integers; only `snip`, `grad_norm` and `zico` need them.
        seed: of what a proxy draws; equal seeds give equal values. The global generators are left as they were.

    Returns:
        A number, more is better; of `az_nas` one for each of its components, to be ranked by `aggregate`.

    Raises:
        ProxyError: there is no such proxy, it cannot judge this model with this batch, or what it gives is no number.
    """
    if name not in PROXIES:
        raise refusal(f"there is no proxy `{name}`", did_you_mean(name, list(PROXIES)))
    batch = Batch(*_placed(model, images, labels), seed)
    devices = [batch.images.device] if batch.images.is_cuda else []
    with torch.random.fork_rng(devices), torch.enable_grad():
        torch.manual_seed(seed)
        found = PROXIES[name](model, batch)
    if isinstance(found, dict):
        return {part: checked(f"{name}.{part}", value, model, False) for part, value in found.items()}
    return checked(name, found, model, name in SUMS)


def _placed(model: VisionModel, images: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The batch where the model is, in the type that proxies work in."""
    device = device_of(model)
    if device.type == "meta":
        raise refusal("proxies need weights, but this model is on the meta device", "`build` with a device")
    channels = model.spec.graph(model.image_size).frame.features[0].dim
    wanted = (channels, *model.image_size)
    if images.ndim != 4 or tuple(images.shape[1:]) != wanted or len(images) < 2:
        shape = ", ".join(map(str, images.shape))
        raise refusal(f"at least two images ({', '.join(map(str, wanted))}) are needed, but the batch is ({shape})")
    if labels is not None and (labels.shape != images.shape[:1] or labels.is_floating_point()):
        shape = ", ".join(map(str, labels.shape))
        raise refusal(f"labels are integers ({len(images)},), but these are {labels.dtype} ({shape})")
    return images.detach().to(device, float_type(model)), None if labels is None else labels.to(device).long()


__all__ = [
    "LABELLED", "PROXIES", "Batch", "Correlation", "ProxyError", "aggregate", "correlation", "correlations", "measure",
    "measures_of",
]  # fmt: skip
