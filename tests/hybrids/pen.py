"""Draws the small things of a spec: numbers, norms, activations, initial values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from vitdsl.features import Feature

ACTIVATIONS = ("gelu", "gelu_tanh", "quick_gelu", "relu", "relu6", "silu", "hardswish", "sigmoid", "tanh", "softmax")
Items = list[Any]


class Pen:
    """What one example is drawn with.

    Attributes:
        random: where choices come from.
        defines: the defines that were drawn so far.
        streams: what each stream that was written holds.
        lines: how often something was drawn that needs a name of its own.
        index: whether `index` has a value where is drawn now, and how large it becomes.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.defines: dict[str, Any] = {}
        self.streams: dict[str, Feature] = {}
        self.lines = 0
        self.index = 0

    def pick(self, *options: Any) -> Any:
        """One of these; one that is a function is called, so that what is not picked is not drawn."""
        found = self.random.choice(options)
        return found() if callable(found) else found

    def chance(self, percent: int) -> bool:
        """Whether something that happens this often happens."""
        return self.random.randrange(100) < percent

    def number(self, low: int, high: int) -> int:
        """A number, both ends included."""
        return self.random.randint(low, high)

    def some(self, percent: int, options: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
        """Each of these keys, this often."""
        return {key: make() for key, make in options.items() if self.chance(percent)}

    def name(self, stem: str) -> str:
        """A name that nothing else has."""
        self.lines += 1
        return f"{stem}{self.lines}"

    def divisor(self, number: int, most: int = 4) -> int:
        """A number up to `most` that divides."""
        return self.pick(*[value for value in range(1, most + 1) if number % value == 0])


def norm(pen: Pen, x: Feature) -> Any:
    """A norm that `x` can enter."""
    return pen.pick(
        "layer", "batch", "rms", "affine", "group",
        {"type": "layer", "eps": 1e-5, "affine": False}, {"type": "batch", "affine": False, "momentum": 0.2},
        lambda: {"type": "group", "groups": pen.divisor(x.dim)}, {"type": "affine", "bias": False, "init": 0.5},
        {"type": "batch", "init": 0}, {"type": "rms", "eps": 1e-5},
    )  # fmt: skip


def activation(pen: Pen) -> str:
    """An activation."""
    return pen.pick(*ACTIVATIONS)


def init(pen: Pen) -> Any:
    """Initial values of a weight of two or more axes."""
    return pen.pick(
        "zeros", 0.5, {"type": "trunc_normal", "std": 0.2}, "torch", "xavier_uniform", {"type": "uniform"}, "ones"
    )


def norm_body(pen: Pen, x: Feature) -> Any:
    """What may stand as `pre`, `post` or `norm`: a part, a list of items, or a late body of a define."""
    return pen.pick(
        lambda: norm(pen, x), lambda: [{"norm": norm(pen, x)}, {"activation": activation(pen)}], {"scale": 0.5}, lambda: [norm(pen, x)], [],
    )  # fmt: skip


def followed(pen: Pen, x: Feature) -> dict[str, Any]:
    """A norm and an activation of an operator of its own."""
    return pen.some(30, {"norm": lambda: norm(pen, x), "activation": lambda: activation(pen)})
