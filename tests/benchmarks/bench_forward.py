"""Forward passes of our modules beside timm's own models: the same weights, the same images, the same attention.

Run with `python -m tests.benchmarks.bench_forward`; a ratio above 1 says that ours is faster. Pairs are interleaved, so
that what else the machine does falls on both alike.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn

import vitdsl

SAME = 1e-4
"""How far the logits of a pair may lie apart, in float32."""
LEAST = 0.95
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "deit_tiny_distilled": ("deit_tiny_distilled_patch16_224", {}),
    "cait_xxs24": ("cait_xxs24_224", {}),
    "swin_tiny": ("swin_tiny_patch4_window7_224", {}),
    "crossvit_tiny": ("crossvit_tiny_240", {"img_size": 224, "img_scale": (240 / 224, 1.0)}),
    "tnt_small": ("tnt_s_patch16_224", {}),
    "levit_128s": ("levit_128s", {}),
}
"""Our spec: timm's name, and options for images of our size."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


class Result(NamedTuple):
    """Milliseconds of both, and quartiles of timm's time over ours, pair by pair."""

    theirs: float
    ours: float
    quartiles: tuple[float, float, float]


def keep_memory() -> None:
    """Lets the C library keep what it was given: else either model may pay for pages that it gave back before.

    Without it the same pair is anywhere between 0.84 and 1.12 from run to run. Other C libraries are left as they are.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for parameter, value in ((M_MMAP_THRESHOLD, 1 << 25), (M_TRIM_THRESHOLD, 2**31 - 1)):
            library.mallopt(parameter, value)


def pair_of(spec: str) -> tuple[nn.Module, nn.Module]:
    """timm's model and ours in evaluation mode, with timm's weights in both.

    Raises:
        AssertionError: they do not give the same logits, so there is nothing to compare.
    """
    name, options = MODELS[spec]
    torch.manual_seed(0)
    theirs = timm.create_model(name, **options).eval()
    ours = vitdsl.build(spec)
    vitdsl.load_weights(ours, theirs.state_dict())
    ours.eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        apart = (theirs(images) - ours(images)).abs().max().item()
    assert apart < SAME, f"{spec}: the logits are {apart} apart"
    return theirs, ours


def compare(theirs: nn.Module, ours: nn.Module, images: Tensor, pairs: int) -> Result:
    """Times both models in turn, each first every other time."""
    models: list[Callable[[Tensor], Tensor]] = [theirs, ours]
    times: list[list[float]] = [[], []]
    with torch.inference_mode():
        for number in range(-3, pairs):
            for which in (0, 1) if number % 2 else (1, 0):
                begin = time.perf_counter()
                models[which](images)
                if number >= 0:
                    times[which].append(time.perf_counter() - begin)
    ratios = [their / our for their, our in zip(*times, strict=True)]
    first, middle, last = statistics.quantiles(ratios, n=4)
    return Result(1e3 * statistics.median(times[0]), 1e3 * statistics.median(times[1]), (first, middle, last))


def main() -> None:
    """Prints a line for each model and batch, and fails where a median lies below the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", nargs="*", default=list(MODELS), help=f"of {', '.join(MODELS)}")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 1])
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_memory()
    print(f"{'spec':<20} {'batch':>5} {'timm ms':>9} {'ours ms':>9} {'timm/ours':>9}   quartiles")
    slow = []
    for spec in options.specs:
        theirs, ours = pair_of(spec)
        for batch in options.batches:
            found = compare(theirs, ours, torch.randn(batch, 3, 224, 224), options.pairs)
            low, middle, high = found.quartiles
            times = f"{found.theirs:>9.2f} {found.ours:>9.2f} {middle:>9.3f}   {low:.3f} to {high:.3f}"
            print(f"{spec:<20} {batch:>5} {times}", flush=True)
            slow += [f"{spec} at batch {batch}"] if middle < LEAST else []
    if slow:
        raise SystemExit(f"slower than {LEAST} of timm's speed: {', '.join(slow)}")


if __name__ == "__main__":
    main()
