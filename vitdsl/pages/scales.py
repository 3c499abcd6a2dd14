"""Axes: how a number becomes a place between two ends, and the round numbers that stand beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

LARGEST, SMALLEST = 1e100, 1e-100
"""Numbers beyond these are drawn as infinity, and as zero."""
WIDE = 100.0
"""A scale may be logarithmic where the largest value is more than so many times the smallest."""
DECADES = 6
"""At most so many powers of ten stand beside a logarithmic scale."""
UNITS = (("T", 1e12, 2e12), ("G", 1e9, 2e9), ("M", 1e6, 2e6), ("k", 1e3, 2e4))
"""Units of whole numbers, their sizes, and from where on they are used."""


class Scale(NamedTuple):
    """An axis.

    Attributes:
        low: the number at its beginning.
        high: the number at its end.
        ticks: round numbers in between.
        logarithmic: whether equal factors are equally far apart.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value is, from 0 at `low` to 1 at `high`."""
        if self.logarithmic:
            low, high = math.log10(self.low), math.log10(self.high)
            return (math.log10(value) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)


def is_drawn(value: float) -> bool:
    """Whether a value has a place on a scale."""
    return abs(value) < LARGEST


def even_scale(
    values: Sequence[float],
    count: int = 5,
    whole: bool = False,
    tight: bool = False,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Scale:
    """A scale on which equal differences are equally far apart.

    Args:
        values: what it must hold; none: 0 to 1.
        count: about how many ticks there are.
        whole: ticks are whole numbers.
        tight: it ends at the outermost values; else at the ticks around them.
        within: beyond these it never goes; all values are within.
    """
    low, high = _ends([0.0 if abs(value) < SMALLEST else value for value in values] or [0.0, 1.0])
    low, high = max(low, within[0]), min(high, within[1])
    step = _round_step((high - low) / count)
    step = max(1.0, step) if whole else step
    first, last = math.floor(low / step), math.ceil(high / step)
    if tight:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(float(f"{number * step:.12g}") for number in range(first, last + 1))
    return Scale(low, high, ticks) if tight else Scale(ticks[0], ticks[-1], ticks)


def scale_of(values: Sequence[float]) -> Scale:
    """A scale for values that may be of very different sizes, which is logarithmic where they are."""
    if not values or min(values) < SMALLEST or max(values) / min(values) <= WIDE:
        return even_scale(values)
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    every = -(-(last - first) // DECADES)
    last += -(last - first) % every
    ticks = tuple(float(f"1e{power}") for power in range(first, last + 1, every))
    return Scale(ticks[0], ticks[-1], ticks, logarithmic=True)


def labels(ticks: Sequence[float]) -> list[str]:
    """Round numbers as they stand beside an axis: large whole ones all in the same unit."""
    largest = max(map(abs, ticks), default=0.0)
    whole = all(tick == int(tick) for tick in ticks)
    found = ((name, size) for name, size, least in UNITS if whole and least <= largest < 1e15)
    name, size = next(found, ("", 1.0))
    return [f"{_number(tick / size)}{name}" if tick else "0" for tick in ticks]


def _number(value: float) -> str:
    mantissa, mark, power = f"{value:.6g}".partition("e")
    if mark:
        return f"{mantissa}e{int(power)}"
    return f"{value:,.0f}" if value == int(value) else mantissa


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest value, apart from one another."""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    if high - low > 1e-4 * size:
        return low, high
    margin = size / 10 or 1.0
    return (low, high + margin) if low >= 0 and not size else (low - margin, high + margin)


def _round_step(least: float) -> float:
    """The next number from `least` on that is 1, 2 or 5 times a power of ten."""
    power = float(f"1e{math.floor(math.log10(least))}")
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
