"""Rank correlations of every proxy with accuracy on the digits space, beside those of parameters and multiply-adds.

`python -m tests.evidence.digits_correlations` reads digits_table.csv and writes digits_correlations.csv. Intervals are
95 % bootstrap intervals over architectures (1,000 draws). The row `retrained` is accuracy by one seed against that by
the other, beyond which no proxy can be expected to go.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from tests.evidence import table
from tests.evidence.digits_table import SEEDS
from vitdsl.search.proxies import PROXIES, aggregate, correlation, measures_of

DRAWS = 1_000


def measured() -> tuple[dict[str, list[float]], list[float]]:
    """Every measure of all architectures, AZ-NAS ranked into one, and their mean accuracy."""
    rows = table.read("digits_table.csv")
    parts = [measure for name in PROXIES for measure in measures_of(name)]
    found = {name: [float(row[name]) for row in rows] for name in parts}
    components = measures_of("az_nas")
    found["az_nas"] = aggregate({name: found[name] for name in components})
    accuracy = [float(np.mean([float(row[f"accuracy_{seed}"]) for seed in SEEDS])) for row in rows]
    print(f"{len(rows)} architectures, accuracy {min(accuracy):.3f} to {max(accuracy):.3f}")
    return found, accuracy


def by_seed(seed: int) -> list[float]:
    """Accuracy of all architectures, trained by one seed."""
    return [float(row[f"accuracy_{seed}"]) for row in table.read("digits_table.csv")]


def interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The middle 95 % of Kendall's τ over architectures drawn again with replacement."""
    rng = np.random.default_rng(0)
    x, y = np.asarray(first), np.asarray(second)
    found = []
    for _ in range(DRAWS):
        chosen = rng.integers(len(x), size=len(x))
        tau = correlation(x[chosen].tolist(), y[chosen].tolist()).kendall
        found.append(0.0 if tau is None else tau)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Makes the table."""
    began = time.perf_counter()
    found, accuracy = measured()
    rows = []
    pairs = {name: (values, accuracy) for name, values in found.items()}
    pairs["retrained"] = (by_seed(SEEDS[0]), by_seed(SEEDS[1]))
    for name, (values, wanted) in pairs.items():
        with_accuracy = correlation(values, wanted)
        low, high = interval(values, wanted)
        row = {"proxy": name, "spearman": with_accuracy.spearman, "kendall": with_accuracy.kendall}
        row |= {"kendall_low": low, "kendall_high": high}
        for size in ("params", "macs"):
            row[f"kendall_with_{size}"] = correlation(values, found[size]).kendall
        rows.append({key: f"{value:.3f}" if isinstance(value, float) else value for key, value in row.items()})
    rows.sort(key=lambda row: -float(row["kendall"]))
    print(table.write("digits_correlations.csv", rows, SEEDS, time.perf_counter() - began))
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
