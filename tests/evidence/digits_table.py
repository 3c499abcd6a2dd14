"""Trains every architecture of the digits space and measures every proxy on it: the table that the other scripts read.

`python -m tests.evidence.digits_table` writes digits_table.csv. Each architecture is trained by the last rung of
specs/searches/digits.yaml, by two seeds, on one thread; proxies are means over the same seeds.
"""

from __future__ import annotations

import json
import time

import torch

import vitdsl
from tests.evidence import table
from vitdsl.search.candidate import Candidate
from vitdsl.search.evaluation import read_evaluation
from vitdsl.search.file import load_search
from vitdsl.search.proxies import PROXIES

SEEDS = (0, 1)


def main() -> None:
    """Makes the table."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    training = load_search("digits").file.rungs[-1]
    proxies = read_evaluation({"type": "proxies", "names": list(PROXIES), "batch": 16, "seeds": len(SEEDS)})
    rows = []
    for spec in vitdsl.Space("digits"):
        row = {"hash": spec.hash, "decisions": json.dumps(spec.decisions), "layers": spec.decisions["stages[0].depth"]}
        row |= proxies.measure(Candidate(spec, seed=0))
        for seed in SEEDS:
            found = training.measure(Candidate(spec, seed=seed))
            row |= {f"{name}_{seed}": found[name] for name in ("accuracy", "loss", "seconds")}
        rows.append(row)
        print(len(rows), row["decisions"], row["accuracy_0"], row["accuracy_1"], flush=True)
    print(table.write("digits_table.csv", rows, SEEDS, time.perf_counter() - began))


if __name__ == "__main__":
    main()
