"""Initial values: those that the spec says, or else those that the field's papers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from vitdsl.graph.operators import LearnedTokens
from vitdsl.layers.convolution import Conv2d
from vitdsl.layers.initial import SMALL, Fill, fan_in, fan_out, initialized
from vitdsl.layers.linear import Linear
from vitdsl.layers.positions import FixedPosition, LearnedPosition, WindowPosition
from vitdsl.layers.tokens import Tokens
from vitdsl.parts.base import Primitive
from vitdsl.parts.initial import Init
from vitdsl.parts.registry import family_of

USUAL = {
    "linear": Init(type="trunc_normal"),
    "tokens": Init(type="trunc_normal"),
    "position": Init(type="trunc_normal"),
}
"""Where neither part nor spec says anything; families that are not named start as torch's own layers do."""
FILLS: Mapping[str, Callable[[Init], Fill]] = {
    "zeros": lambda init: nn.init.zeros_,
    "ones": lambda init: nn.init.ones_,
    "constant": lambda init: _constant(init.value),
    "trunc_normal": lambda init: _truncated(init.std),
    "normal": lambda init: partial(nn.init.normal_, std=init.std),
    "uniform": lambda init: partial(nn.init.uniform_, a=-init.std, b=init.std),
    "fan_in": lambda init: fan_in,
    "fan_out": lambda init: fan_out,
    "xavier_uniform": lambda init: nn.init.xavier_uniform_,
}
"""What fills a tensor, by the type of its initial values."""
FARTHEST = 10
"""No draw of torch's normal distribution is so many deviations from the mean, in float32 or in float64."""
TAKES_INIT = frozenset({Linear, Conv2d, Tokens})
"""Layers that are told their initial values, as `init`."""
OWN: dict[Any, Fill] = {Linear: SMALL, Tokens: SMALL, LearnedPosition: SMALL, WindowPosition: SMALL}
"""The values that layers have by themselves, where they are not as torch's layers have them."""


def with_initial_values(make: partial[Any], op: Primitive, inits: Mapping[str, Any]) -> partial[Any]:
    """What makes a layer with the weights that it starts with.

    Args:
        make: what makes the layer.
        op: its operator, which may have initial values of its own.
        inits: initial values by family, as the spec says.
    """
    init = getattr(op, "init", None) or _of_family(op, inits)
    if init is None:
        return make
    fill = None if init.type == "torch" else FILLS[init.type](init)
    if fill is OWN.get(make.func) or make.func is FixedPosition:
        return make
    if make.func in TAKES_INIT:
        return partial(make.func, *make.args, **make.keywords, init=fill)
    return make if fill is None else partial(make_initialized, make, fill)


def make_initialized(make: partial[nn.Module], fill: Fill) -> nn.Module:
    """Makes a layer, and fills its weights."""
    return initialized(make(), fill)


def _truncated(std: float) -> Fill:
    """A normal distribution, cut at ±2. Where no draw can reach ±2, it is not cut: the draws are the same."""
    if std == 0.02:
        return SMALL
    return partial(nn.init.normal_ if FARTHEST * std < 2 else nn.init.trunc_normal_, std=std)


def _constant(value: float) -> Fill:
    return {0.0: nn.init.zeros_, 1.0: nn.init.ones_}.get(value) or partial(nn.init.constant_, val=value)


def _of_family(op: Primitive, inits: Mapping[str, Any]) -> Init | None:
    family = "tokens" if isinstance(op, LearnedTokens) else family_of(op)
    return inits.get(family) or USUAL.get(family)
