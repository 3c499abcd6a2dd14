"""Building models: `vitdsl.build` beside timm's `create_model`, with weights on the CPU and on the meta device.

Run with `python -m tests.benchmarks.bench_build`; a ratio above 1 says that ours is faster. Both are built in turn.
What is cached for good, such as a spec that was read once, is cached for both.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

import vitdsl
from tests.benchmarks.pairs import MODELS, theirs, versions
from vitdsl.timing import Quartiles, geometric_mean, keep_memory, ratio


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(spec: str, device: str, rounds: int) -> tuple[float, float, Quartiles]:
    """Milliseconds of timm and ours (medians), and quartiles of timm's time over ours, pair by pair."""

    def their_model() -> Any:
        with torch.device(device):
            return theirs(spec)

    def ours() -> Any:
        return vitdsl.build(spec, device)

    pairs = [(seconds(their_model), seconds(ours)) for _ in range(rounds + 1)][1:]
    return 1e3 * statistics.median(a for a, _ in pairs), 1e3 * statistics.median(b for _, b in pairs), ratio(pairs)


def main() -> None:
    """Prints a line a model, and the geometric mean of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--devices", nargs="*", default=["cpu", "meta"])
    arguments = parser.parse_args()
    keep_memory()
    torch.set_num_threads(arguments.threads)
    print(f"{versions()}, {arguments.threads} threads")
    for device in arguments.devices:
        medians: list[float] = []
        for spec in MODELS:
            timms, ours, found = compare(spec, device, arguments.rounds)
            medians.append(found.middle)
            print(f"{device:5} {spec:18} timm {timms:8.1f} ms  ours {ours:8.1f} ms  {found}", flush=True)
        print(f"{device:5} geometric mean {geometric_mean(medians):.2f}, least {min(medians):.2f}")


if __name__ == "__main__":
    main()
