"""How many candidates a second are judged: load with another override each time, and analyze, on one core.

    python -m tests.benchmarks.bench_analysis [--count 1000]

Prints, a spec: candidates a second warm, with every memo emptied before each, and with the file read again too; and
beside them, in the same run, timm's `create_model` on the meta device with its parameters counted.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import vitdsl
from vitdsl.memo import forget
from vitdsl.resolve.files import forget_files

OVERRIDES: dict[str, dict[str, list[Any]]] = {
    "cvt13": {
        "stages[2].depth": list(range(1, 40)),
        "define.encoder.body[1].mlp.ratio": [1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6],
        "stages[0].tokenizer.conv.dim": [32, 48, 64, 80, 96],
        "stages[1].block.heads": [1, 2, 3, 4, 6],
    },
    "t2t_vit_14": {
        "vars.layers": list(range(1, 40)),
        "stages[2].block[1].mlp.ratio": [1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6],
        "vars.channels": [192, 240, 288, 384, 480],
        "vars.heads": [2, 3, 4, 6],
    },
    "cait_xxs24": {
        "vars.layers": list(range(1, 40)),
        "stages[0].block[1].mlp.ratio": [1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6],
        "vars.channels": [96, 144, 192, 240],
        "vars.heads": [2, 3, 4, 6],
    },
}
TIMM = {"cait_xxs24": "cait_xxs24_224"}


def overrides(name: str) -> Iterator[dict[str, Any]]:
    """Every combination, in an order that is the same each time."""
    choices = OVERRIDES[name]
    every = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
    random.Random(0).shuffle(every)
    yield from every


def judged(name: str, settings: list[dict[str, Any]], before: Callable[[], None] | None = None) -> float:
    """Candidates a second; `before` each one something may be emptied."""
    spent = 0.0
    for setting in settings:
        if before is not None:
            before()
        start = time.perf_counter()
        _ = vitdsl.load(name, set=setting).analyze().macs
        spent += time.perf_counter() - start
    return len(settings) / spent


def _forget_all() -> None:
    forget()
    forget_files()


def created(name: str, times: int = 5) -> float:
    """timm models a second, built on the meta device, parameters counted."""
    import timm
    import torch

    spent = []
    for _ in range(times):
        start = time.perf_counter()
        with torch.device("meta"):
            sum(p.numel() for p in timm.create_model(name).parameters())
        spent.append(time.perf_counter() - start)
    return 1 / statistics.median(spent)


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="candidates of each kind")
    count = parser.parse_args().count
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    heads = ("candidates", "warm /s", "memos emptied /s", "files too /s", "timm on meta /s")
    print(f"{'spec':12}", *(f"{head:>17}" for head in heads))
    for name in OVERRIDES:
        settings = list(overrides(name))
        judged(name, settings[:count])
        warm = judged(name, settings[count : 2 * count] or settings)
        cold = judged(name, settings[: count // 4], forget)
        coldest = judged(name, settings[: count // 4], _forget_all)
        beside = f"{created(TIMM[name]):17.1f}" if name in TIMM else f"{'-':>17}"
        print(f"{name:12} {len(settings):17} {warm:17,.0f} {cold:17,.0f} {coldest:17,.0f} {beside}")


if __name__ == "__main__":
    main()
