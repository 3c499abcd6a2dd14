"""How long models take: runs of one after another, and of several in turn, so that what disturbs one disturbs all."""

from __future__ import annotations

import ctypes
import math
import os
import statistics
import time
import timeit
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.benchmark.utils.timer import timer as clock_of_gpu

LEAST_ROUNDS = 7
"""So many rounds are run, however long they take."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


class Quartiles(NamedTuple):
    """The first quartile, the median and the third."""

    low: float
    middle: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} [{self.low:.2f}, {self.high:.2f}]"

    @property
    def spread(self) -> float:
        """How far the quartiles lie apart, as a part of the median."""
        return (self.high - self.low) / self.middle


def quartiles(values: Iterable[float]) -> Quartiles:
    """The quartiles of at least two values."""
    return Quartiles(*statistics.quantiles(values, n=4))


def ratio(pairs: Iterable[tuple[float, float]]) -> Quartiles:
    """The quartiles of the ratios of pairs, such as (their time, our time): above 1, ours is faster."""
    return quartiles(theirs / ours for theirs, ours in pairs)


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(statistics.fmean(map(math.log, values)))


def time_runs(run: Callable[[], object], warmup: int, repeats: int, device: str) -> list[float]:
    """Seconds of each of `repeats` runs, after `warmup` others; the clock waits for a GPU."""
    # `torch.utils.benchmark.Timer` would run two more forwards before each single one, to time it alone
    timer = timeit.Timer(run, timer=clock_of_gpu if device.startswith("cuda") else timeit.default_timer)
    with torch.accelerator.device_index(torch.device(device).index):
        timer.timeit(warmup)
        return timer.repeat(repeats, 1)


def time_in_turn(runs: Sequence[Callable[[], object]], seconds: float, device: str = "cpu") -> list[list[float]]:
    """Seconds of several runs, a round at a time: forwards in one round, backwards in the next.

    Args:
        runs: each is run once before, and then once a round.
        seconds: how long rounds go on, but for the `LEAST_ROUNDS`.
        device: what is waited for.

    Returns:
        For each of the runs, its times, by round.
    """
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        time_runs(run, 1, 0, device)
    begin = time.perf_counter()
    while len(times[0]) < LEAST_ROUNDS or time.perf_counter() - begin < seconds:
        order = range(len(runs)) if len(times[0]) % 2 else reversed(range(len(runs)))
        for which in order:
            times[which] += time_runs(runs[which], 0, 1, device)
    return times


def infer(model: nn.Module, images: Tensor) -> None:
    """One forward pass without gradients."""
    with torch.inference_mode():
        model(images)


def step(model: nn.Module, images: Tensor) -> None:
    """A forward and a backward pass."""
    outputs: Any = model(images)
    several = outputs.values() if isinstance(outputs, Mapping) else (outputs,)
    torch.stack([each.square().mean() for each in several]).sum().backward()
    model.zero_grad()


def keep_memory() -> None:
    """Lets the C library keep what it was given: else any model may pay for pages that another gave back before.

    Without it the same pair is anywhere between 0.84 and 1.12 from run to run. Other C libraries are left as they are.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for parameter, value in ((M_MMAP_THRESHOLD, 1 << 25), (M_TRIM_THRESHOLD, 2**31 - 1)):
            library.mallopt(parameter, value)


def load_of_machine() -> float | None:
    """Processes that want to run now, as a part of the cores; None: the system does not say it."""
    return os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else None
