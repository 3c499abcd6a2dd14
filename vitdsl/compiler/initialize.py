"""Initial values: those that the spec says, or else those that the field's papers share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vitdsl.graph.operators import LearnedTokens
from vitdsl.parts.base import Primitive
from vitdsl.parts.initial import Init
from vitdsl.parts.registry import family_of

USUAL = {
    "linear": Init(type="trunc_normal"),
    "tokens": Init(type="trunc_normal"),
    "position": Init(type="trunc_normal"),
}
"""Where neither part nor spec says anything; families that are not named start as torch's own layers do."""

FILLED = ("weight", "height", "width")
"""What is filled of a layer: its weight, or the tables of its two directions."""


def initialize(module: nn.Module, op: Primitive, inits: Mapping[str, Any]) -> None:
    """Fills the weights of a layer that was just built."""
    found = (getattr(module, name, None) for name in FILLED)
    weights = [weight for weight in found if isinstance(weight, nn.Parameter) and not weight.is_meta]
    init = (getattr(op, "init", None) or _of_family(op, inits)) if weights else None
    if init is None or init.type == "torch":
        return
    for weight in weights:
        fill(weight, init)
    bias = getattr(module, "bias", None)
    if isinstance(bias, nn.Parameter) and op.family != "norm":
        nn.init.zeros_(bias)


def _of_family(op: Primitive, inits: Mapping[str, Any]) -> Init | None:
    family = family_of(op)
    return inits.get(family) or USUAL.get(family)


def initialize_tokens(op: LearnedTokens, inits: Mapping[str, Any]) -> nn.Module:
    """Learned tokens: a module with one parameter (1, 1, dim) a name, or `weight` (1, count, dim)."""
    module = nn.Module()
    for name in op.names or ("weight",):
        table = nn.Parameter(torch.empty(1, 1 if op.names else op.count, op.dim))
        if not table.is_meta:
            fill(table, op.init or inits.get("tokens") or USUAL["tokens"])
        module.register_parameter(name, table)
    return module


def fill(weight: Tensor, init: Init) -> None:
    """Fills a tensor in place as `init` says."""
    with torch.no_grad():
        if init.type in ("zeros", "ones", "constant"):
            nn.init.constant_(weight, {"zeros": 0.0, "ones": 1.0}.get(init.type, init.value))
        elif init.type == "trunc_normal":
            nn.init.trunc_normal_(weight, std=init.std)
        elif init.type == "normal":
            nn.init.normal_(weight, std=init.std)
        elif init.type == "uniform":
            nn.init.uniform_(weight, -init.std, init.std)
        elif init.type == "fan_in":
            nn.init.normal_(weight, std=math.sqrt(2.0 / weight[0].numel()))
        elif init.type == "fan_out":
            fan_out = weight.shape[0] * (weight[0, 0].numel() if weight.ndim > 2 else 1)
            nn.init.normal_(weight, std=math.sqrt(2.0 / fan_out))
        elif init.type == "xavier_uniform":
            nn.init.xavier_uniform_(weight)
