"""Finds sizes of images that fit, near one that leaves a rim out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vitdsl.errors import RimError, ShapeError

Size = tuple[int, int]
TRIES, EFFORT = 12, 20_000
"""The most sizes that are tried in each direction, and the most items that are elaborated for them."""


def with_sizes(fault: RimError, size: Size, run: Callable[[Size], Any]) -> RimError:
    """Adds a hint to the fault: the nearest sizes of images that fit the whole spec.

    Args:
        fault: of the spec at this size.
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
    """The nearest size that fits, below (0) or above (1), and the number of items elaborated so far."""
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
    """The size of image for which the grid of the fault becomes the nearest one that fits."""
    sides = []
    for side, length, near in zip(size, fault.grid, fault.near, strict=True):
        ratio = max(round(side / length), 1)
        sides.append(side if near[index] == length else near[index] * ratio)
    return (sides[0], sides[1])


def _stride(steps: Size, fault: RimError | None, size: Size) -> Size:
    """The difference to the next size that leaves no rim out either."""
    if fault is None:
        return steps
    sign = 1 if max(steps) > 0 else -1
    far = [
        sign * (near[1] - near[0]) * max(round(side / length), 1)
        for side, length, near in zip(size, fault.grid, fault.near, strict=True)
    ]
    return (far[0], far[1])
