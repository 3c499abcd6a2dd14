"""Compares an exported file with the model: what it gives for the same images, of each shape that it should take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from vitdsl.errors import InputError, Problem

if TYPE_CHECKING:
    from torch import Tensor, dtype

    from vitdsl.compiler.model import VisionModel

Shape = tuple[int, int, int, int]
Run = Callable[["Tensor"], "Tensor"]
"""Runs a file on images (B, C, H, W)."""


class Check(NamedTuple):
    """One comparison.

    Attributes:
        shape: of the images, (B, C, H, W).
        difference: the largest difference of two outputs, over the largest output of the model.
    """

    shape: Shape
    difference: float


def compare(model: VisionModel, run: Run, shapes: Iterable[Shape], runner: str) -> list[Check]:
    """What a file gives, beside what the model gives.

    Args:
        model: in evaluation mode, on the CPU.
        run: runs the file.
        shapes: of images.
        runner: what runs the file, for errors.

    Raises:
        InputError: it differs by more than the order of sums explains, or the output is not finite.
    """
    import torch

    found = []
    for shape in shapes:
        images = example(model, shape)
        with torch.inference_mode():
            expected = model(images)
        if not expected.isfinite().all():
            raise InputError(Problem(
                f"the model's output for a random image of {shape[2]}x{shape[3]} is not finite",
                hint="its weights are too large, or damaged",
                code="E604",
            ))  # fmt: skip
        found.append(Check(shape, difference(run(images), expected)))
        limit = tolerance(expected.dtype)
        if not found[-1].difference <= limit:
            raise InputError(Problem(
                f"in {runner}, the exported file is off by {found[-1].difference:.1e} of the largest output, for images"
                f" of {'x'.join(map(str, shape))}; up to {limit:.0e} is rounding. It was not kept",
                hint="export without `--fold` or `--dynamic`, or to another format; and please report it with the spec",
                code="E614",
            ))  # fmt: skip
    return found


def example(model: VisionModel, shape: Shape) -> Tensor:
    """Images of noise in the model's type, the same each time."""
    import torch

    kind = next(iter(model.state_dict().values()))
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(kind.dtype)


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest difference over the largest number that is expected; infinite where shapes or types differ."""
    if found.shape != expected.shape or found.dtype != expected.dtype or not expected.numel():
        return math.inf
    least, largest = (found - expected).abs().max().item(), expected.abs().max().item()
    return least / largest if largest else least


def tolerance(kind: dtype) -> float:
    """The largest difference that other orders of sums explain, by the type of the numbers."""
    import torch

    return {torch.float64: 1e-9, torch.float32: 1e-4}.get(kind, 16 * torch.finfo(kind).eps)
