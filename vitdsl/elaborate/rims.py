"""Sizes of images that fit, near one whose rim would be left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vitdsl.errors import RimError, ShapeError

Size = tuple[int, int]
TRIES, EFFORT = 12, 20_000
"""How many sizes are tried in each direction; none is, once so many items were elaborated."""


def with_sizes(fault: RimError, size: Size, run: Callable[[Size], Any]) -> RimError:
    """The fault with a hint that names the nearest sizes of images for which the whole spec fits.

    Args:
        fault: of images of this size.
        size: height and width.
        run: elaborates the spec for a size.
    """
    found: list[Size] = []
    work = fault.work
    for index in (0, 1):
        near, work = _nearest(fault, size, run, index, work)
        found += [] if near is None else [near]
    if found:
        sizes = " or ".join(f"{height}x{width}" for height, width in dict.fromkeys(found))
        fault.hint = f"images of {sizes} fit, or {fault.hint}"
    return fault


def _nearest(fault: RimError, size: Size, run: Callable[[Size], Any], index: int, work: int) -> tuple[Size | None, int]:
    """The nearest size below (0) or above (1), and how many items were elaborated until it was found."""
    steps = (0, 0)
    for _ in range(TRIES):
        if work > EFFORT:
            return None, work
        last = size
        size = (size[0] + steps[0], size[1] + steps[1]) if fault is None else _moved(fault, size, index)
        if min(size) < 1 or size == last:
            return None, work
        steps = (size[0] - last[0] or steps[0], size[1] - last[1] or steps[1])
        try:
            run(size)
        except RimError as other:
            fault, work = other, work + other.work
        except ShapeError as other:
            work += other.work
            steps, fault = _stride(steps, fault, last), None  # type: ignore[assignment]
        else:
            return size, work
    return None, work


def _moved(fault: RimError, size: Size, index: int) -> Size:
    """The size of image that makes the grid of a fault the nearest one that fits."""
    sides = []
    for side, length, near in zip(size, fault.grid, fault.near, strict=True):
        ratio = max(round(side / length), 1)
        sides.append(side if near[index] == length else near[index] * ratio)
    return (sides[0], sides[1])


def _stride(steps: Size, fault: RimError | None, size: Size) -> Size:
    """How far the next size is that has no rim either."""
    if fault is None:
        return steps
    sign = 1 if max(steps) > 0 else -1
    far = [
        sign * (near[1] - near[0]) * max(round(side / length), 1)
        for side, length, near in zip(size, fault.grid, fault.near, strict=True)
    ]
    return (far[0], far[1])
