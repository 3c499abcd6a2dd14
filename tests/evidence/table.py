"""Tables of evidence: CSV below comments that say how they were made."""

from __future__ import annotations

import csv
import importlib.metadata
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PACKAGES = ("vitdsl", "torch", "lightning", "timm", "optuna", "scikit-learn", "numpy", "scipy")


def write(name: str, rows: Sequence[Mapping[str, Any]], seeds: Iterable[int], seconds: float) -> Path:
    """Writes a table beside the scripts.

    Args:
        name: of the file.
        rows: one mapping a row, all with the keys of the first.
        seeds: that were used.
        seconds: that all of it took.
    """
    said = list(seeds)
    shown = f"{said[0]} to {said[-1]}" if len(said) > 4 else ", ".join(map(str, said))
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)
    path = HERE / name
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# command: python -m {_command()}\n")
        file.write(f"# python {platform.python_version()}, {versions}\n")
        file.write(f"# seeds: {shown}; wall-clock: {seconds:,.0f} s\n")
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(name: str) -> list[dict[str, str]]:
    """The rows of a table."""
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def _command() -> str:
    spec = sys.modules["__main__"].__spec__
    return " ".join([spec.name if spec else Path(sys.argv[0]).name, *sys.argv[1:]])
