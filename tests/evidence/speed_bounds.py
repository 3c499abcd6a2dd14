"""How much faster than timm's a forward pass, and building, could be at most: the part that both must do.

`python -m tests.evidence.speed_bounds` writes speed_bounds.csv, a row for each of the fourteen models of
`tests/benchmarks`, one thread. `products` is the time that matrix products, convolutions and fused attention take in
our forward pass of 8 images: operators of torch on the same operands as timm's. `forward_bound` is timm's time over
that: the ratio that we would have, were all else free. `draws` is the time in which torch draws the random weights of
our model; `build_bound` is timm's time of building over that.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import vitdsl
from tests.benchmarks.pairs import MODELS, geometric_mean, keep_memory, pair_of, theirs
from tests.evidence import table

BATCH, TURNS = 8, 5
PRODUCTS = ("addmm", "mm", "bmm", "baddbmm", "convolution", "conv", "attention", "linear")
DRAWS = ("normal_", "uniform_", "erfinv_", "bernoulli_", "random_")


def times(call: Callable[[], Any], kinds: tuple[str, ...]) -> tuple[float, float]:
    """Milliseconds of a call, and those of operators whose names have one of these words in them."""
    call()
    found = []
    for _ in range(TURNS):
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            call()
        events = [(event.key, event.self_cpu_time_total / 1e3) for event in seen.key_averages()]
        found.append((sum(ms for _, ms in events), sum(ms for key, ms in events if any(kind in key for kind in kinds))))
    return statistics.median(whole for whole, _ in found), statistics.median(part for _, part in found)


def forward(model: nn.Module, images: Tensor) -> Callable[[], Any]:
    """A forward pass."""

    def call() -> None:
        with torch.inference_mode():
            model(images)

    return call


def main() -> None:
    """Makes the table."""
    torch.set_num_threads(1)
    keep_memory()
    began = time.perf_counter()
    rows = []
    for name in MODELS:
        images = torch.randn(BATCH, 3, 224, 224)
        known, mine = pair_of(name)
        timm_ms, _ = times(forward(known, images), PRODUCTS)
        ours_ms, products = times(forward(mine, images), PRODUCTS)
        timm_build, _ = times(lambda name=name: theirs(name), DRAWS)
        ours_build, draws = times(lambda name=name: vitdsl.build(name), DRAWS)
        rows.append({
            "spec": name, "timm_ms": f"{timm_ms:.1f}", "ours_ms": f"{ours_ms:.1f}", "products": f"{products:.1f}",
            "forward_bound": f"{timm_ms / products:.2f}", "timm_build_ms": f"{timm_build:.1f}",
            "our_build_ms": f"{ours_build:.1f}", "draws": f"{draws:.1f}", "build_bound": f"{timm_build / draws:.2f}",
        })  # fmt: skip
        print(*rows[-1].values(), flush=True)
    for bound in ("forward_bound", "build_bound"):
        print(bound, f"{geometric_mean([float(row[bound]) for row in rows]):.3f}")
    print(table.write("speed_bounds.csv", rows, [0], time.perf_counter() - began))


if __name__ == "__main__":
    main()
