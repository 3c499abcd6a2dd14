"""Where recorded values are inside our models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor


class Tap(NamedTuple):
    """Where a recorded value is in our model.

    Attributes:
        path: of a module.
        entering: the value is what the module is given, not what it returns.
        turn: our layout to the recorded one.
    """

    path: str
    entering: bool = False
    turn: Callable[[Any], Tensor] = lambda value: value


def flat(x_bchw: Tensor) -> Tensor:
    """A map as tokens."""
    return x_bchw.flatten(2).transpose(1, 2)


def only(x_b1c: Tensor) -> Tensor:
    """The one token of a list."""
    return x_b1c.squeeze(1)


EMBED = Tap("stages.0.tokenizer.0.conv", turn=flat)
