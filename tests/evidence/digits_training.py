"""What `vitdsl train cct_2_3x2_32 --recipe digits --data digits` comes to on this machine, by three seeds.

`python -m tests.evidence.digits_training` runs the command, one training at a time, and writes digits_training.csv and
the curve of the first seed, docs/pictures/digits_training.svg.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.evidence import table

SEEDS = (0, 1, 2)
COMMAND = ("train", "cct_2_3x2_32", "--recipe", "digits", "--data", "digits", "--json", "-o", "run")
PICTURE = Path(__file__).parents[2] / "docs/pictures/digits_training.svg"


def main() -> None:
    """Makes the table and the picture."""
    began, rows = time.perf_counter(), []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            command = [sys.executable, "-m", "vitdsl", *COMMAND, "--recipe-set", f"seed={seed}"]
            done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
            seconds, found = time.perf_counter() - start, json.loads(done.stdout)
            if seed == SEEDS[0]:
                PICTURE.parent.mkdir(exist_ok=True)
                shutil.copyfile(Path(folder) / "run/curve.svg", PICTURE)
        rate = found["last"]["images_per_second"]
        rows.append({
            "seed": seed, "last": f"{found['last']['accuracy']:.4f}", "best": f"{found['best']['accuracy']:.4f}",
            "epochs": int(found["last"]["epoch"]), "seconds": f"{seconds:.0f}", "images_per_second": f"{rate:.0f}",
            "cores": os.cpu_count(),
        })  # fmt: skip
        print(*rows[-1].values(), flush=True)
    last = [100 * float(row["last"]) for row in rows]
    print(f"{statistics.fmean(last):.2f} ± {statistics.stdev(last):.2f} %")
    print(table.write("digits_training.csv", rows, SEEDS, time.perf_counter() - began))


if __name__ == "__main__":
    main()
