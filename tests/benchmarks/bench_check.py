"""Cold start of `vitdsl check`, in times that of `python -c "import yaml, pydantic"`.

    python -m tests.benchmarks.bench_check [--pairs 15]

Each is a process of its own; the two are started in turn, and the ratio is the median of the pairs'. Both find their
byte code in one folder, as it is after an installation, whether or not Python may write any here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

BASE = [sys.executable, "-c", "import yaml, pydantic"]
CHECK = [sys.executable, "-c", "import sys; from vitdsl.cli import main; sys.exit(main())", "check", "cvt13"]


def seconds(command: list[str], compiled: str) -> float:
    """The wall time of a command, with byte code in the folder `compiled`."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**env, "PYTHONPYCACHEPREFIX": compiled})
    return time.perf_counter() - start


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15, help="interleaved pairs of runs")
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as compiled:
        seconds(BASE, compiled), seconds(CHECK, compiled)
        runs = [(seconds(BASE, compiled), seconds(CHECK, compiled)) for _ in range(pairs)]
    base, check = (statistics.median(run[i] for run in runs) for i in (0, 1))
    ratio = statistics.median(check / base for base, check in runs)
    print(
        f"import yaml, pydantic: {base * 1000:.0f} ms   vitdsl check cvt13: {check * 1000:.0f} ms   ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
