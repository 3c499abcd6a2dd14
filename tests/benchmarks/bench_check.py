"""Cold start of `vitdsl check`, in times that of `python -c "import yaml, pydantic"`.

    python -m tests.benchmarks.bench_check [--pairs 15]

Each is a process of its own; the two are started in turn, and the ratio is the median of the pairs'.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

BASE = [sys.executable, "-c", "import yaml, pydantic"]
CHECK = [sys.executable, "-c", "import sys; from vitdsl.cli import main; sys.exit(main())", "check", "cvt13"]


def seconds(command: list[str]) -> float:
    """The wall time of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15, help="interleaved pairs of runs")
    pairs = parser.parse_args().pairs
    seconds(BASE), seconds(CHECK)
    runs = [(seconds(BASE), seconds(CHECK)) for _ in range(pairs)]
    base, check = (statistics.median(run[i] for run in runs) for i in (0, 1))
    ratio = statistics.median(check / base for base, check in runs)
    print(
        f"import yaml, pydantic: {base * 1000:.0f} ms   vitdsl check cvt13: {check * 1000:.0f} ms   ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
