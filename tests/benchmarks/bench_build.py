"""Building models: `vitdsl.build` beside timm's `create_model`, with weights on the CPU and on the meta device.

Run with `python -m tests.benchmarks.bench_build`; a ratio above 1 says that ours is faster. Both are built in turn.
What is cached for good, such as a spec that was read once, is cached for both.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import timm
import torch

import vitdsl

MODELS = {
    "vit_small16": "vit_small_patch16_224", "deit_tiny": "deit_tiny_patch16_224",
    "deit3_small": "deit3_small_patch16_224", "cait_xxs24": "cait_xxs24_224", "pit_s": "pit_s_224",
    "crossvit_15": "crossvit_15_240", "tnt_small": "tnt_s_patch16_224", "twins_svt_small": "twins_svt_small",
    "twins_pcpvt_small": "twins_pcpvt_small", "levit_256": "levit_256", "swin_tiny": "swin_tiny_patch4_window7_224",
    "convnext_tiny": "convnext_tiny", "resnet50": "resnet50", "mobilenet_v2": "mobilenetv2_100",
}  # fmt: skip
"""Our spec: timm's name."""


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(spec: str, device: str, rounds: int) -> tuple[float, float, list[float]]:
    """Milliseconds of timm and ours (medians), and quartiles of timm's time over ours, pair by pair."""

    def theirs() -> Any:
        with torch.device(device):
            return timm.create_model(MODELS[spec])

    def ours() -> Any:
        return vitdsl.build(spec, device)

    pairs = [(seconds(theirs), seconds(ours)) for _ in range(rounds + 1)][1:]
    ratios = statistics.quantiles([a / b for a, b in pairs], n=4)
    return 1e3 * statistics.median(a for a, _ in pairs), 1e3 * statistics.median(b for _, b in pairs), ratios


def main() -> None:
    """Prints a line a model, and the geometric mean of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--devices", nargs="*", default=["cpu", "meta"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    load = os.getloadavg()[0]
    print(f"torch {torch.__version__}, timm {timm.__version__}, {arguments.threads} threads, load {load:.1f}")
    for device in arguments.devices:
        medians: list[float] = []
        for spec in MODELS:
            theirs, ours, (low, middle, high) = compare(spec, device, arguments.rounds)
            medians.append(middle)
            print(
                f"{device:5} {spec:18} timm {theirs:8.1f} ms  ours {ours:8.1f} ms  {middle:.2f} [{low:.2f}, {high:.2f}]"
            )
        mean = math.exp(statistics.fmean(map(math.log, medians)))
        print(f"{device:5} geometric mean {mean:.2f}, least {min(medians):.2f}")


if __name__ == "__main__":
    main()
