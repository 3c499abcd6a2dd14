"""Binary codes of images: which activations each of them switches on."""

from __future__ import annotations

import torch
from torch import Tensor

from vitdsl.compiler.model import VisionModel
from vitdsl.graph.roles import activations_of
from vitdsl.search.proxies.base import Batch, float_type, graph_of, prepared, refusal, watched


def codes(model: VisionModel, batch: Batch) -> list[Tensor]:
    """For each activation a bool (B, units): whether what enters it is positive.

    So the codes of ReLU are those of its regions; those of GELU and its like, which bend near 0, are the same.

    Raises:
        ProxyError: the model has no activation, or what enters one is no number.
    """
    paths = activations_of(graph_of(model))
    if not paths:
        raise refusal(f"`{model.spec.name}` has no activation, so its images have no codes")
    made = prepared(model, float_type(model))
    with torch.no_grad(), watched(made, paths) as seen:
        made(batch.images)
    if not all(bool(x.isfinite().all()) for x in seen):
        raise refusal(f"what enters an activation of `{model.spec.name}` is no number, so its images have no codes")
    # windows of an image are consecutive, so they fall into its row
    return [(x > 0).reshape(len(batch.images), -1) for x in seen]
