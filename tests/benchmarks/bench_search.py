"""Search: candidates screened a second on one core, and two workers of one torch thread each against one.

    python -m tests.benchmarks.bench_search [--pairs 5] [--trials 160] [--milliseconds 60] [--seconds 20]

A candidate is screened when it is drawn, bound, its shapes and exact costs are known, and it is held against the
constraints. Workers judge candidates by so many milliseconds of work of their processor; a run's rate is that of the
second half of its trials, when all workers have started.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.search.studies import PLUGIN, toy, trials_of
from vitdsl.search.file import Bound
from vitdsl.search.proposals import Screen
from vitdsl.search.run import run_search
from vitdsl.space.space import Space

SPACES = {
    "hybrid": {"params": Bound(min=10**6, max=30 * 10**6), "macs": Bound(max=6 * 10**9)},
    "autoformer_tiny": {"params": Bound(max=9 * 10**6)},
    "digits": {"params": Bound(max=30_000)},
}
"""Spaces whose candidates are screened, and the bounds that they are held against."""


def screened(space: Space, limits: dict[str, Bound], seconds: float) -> tuple[float, Screen]:
    """Candidates a second, and what was made of them."""
    rng, screen = random.Random(0), Screen(limits)
    for _ in range(100):
        screen.accept(lambda: space.sample(rng))
    screen = Screen(limits)
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        screen.accept(lambda: space.sample(rng))
    return screen.count / (time.perf_counter() - start), screen


def rate(folder: Path, workers: int, trials: int, milliseconds: float) -> float:
    """Trials a second of a search."""
    rungs = f"[{{type: function, function: busy, gives: [score], options: {{seconds: {milliseconds / 1000}}}}}]"
    path = folder / f"{time.time_ns()}.db"
    run_search(toy(trials, rungs=rungs, sampler="evolution"), path, workers=workers)
    done = [trial for trial in trials_of(path) if trial.state.name == "COMPLETE"]
    spans = [(trial.datetime_start, trial.datetime_complete) for trial in done]
    # workers start one after another, seconds apart: what counts is the second half of the run
    first = sorted(start for start, _ in spans)[trials // 2]
    last = max(end for _, end in spans)
    return sum(start >= first for start, _ in spans) / (last - first).total_seconds()


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs of runs")
    parser.add_argument("--trials", type=int, default=160, help="of each run")
    parser.add_argument("--milliseconds", type=float, default=60, help="of each evaluation")
    parser.add_argument("--seconds", type=float, default=20, help="of screening")
    given = parser.parse_args()
    # the package of the tests' evaluations, in this process and in those that it starts
    sys.path.insert(0, str(PLUGIN))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PLUGIN), os.environ.get("PYTHONPATH"))))
    for name, limits in SPACES.items():
        found, screen = screened(Space(name), limits, given.seconds)
        said = [
            f"{screen.count:,}",
            *(f"{why}: {count / screen.count:.0%}" for why, count in screen.refused.most_common()),
        ]
        print(f"screened of the space {name}: {found:,.0f} candidates a second ({', '.join(said)})")
    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        for _, workers in itertools.product(range(given.pairs), rates):
            rates[workers].append(rate(Path(folder), workers, given.trials, given.milliseconds))
    for workers, values in rates.items():
        print(f"{workers} workers: {', '.join(f'{value:.1f}' for value in values)} trials a second")
    print(f"two workers against one: {statistics.median(rates[2]) / statistics.median(rates[1]):.2f}")


if __name__ == "__main__":
    main()
