"""Each shipped model as a program: compiled, exported and ejected, beside the model itself.

`python -m tests.evidence.agreement [--most 30] [--jobs 2] [SPEC …]` writes agreement.csv, a row for each shipped spec
of at most so many million parameters, smallest first. A row that is there is kept: the same command goes on. Each
model is in float32 with random weights:

- `compiled`: `torch.compile(fullgraph=True, backend="aot_eager")`, on two images.
- `pt2` and `onnx`: what `vitdsl.export` wrote with any batch, run by torch and by ONNX Runtime on all batches that it
  compares. The number is the largest difference over the largest output.
- `ejected`: whether the file that `vitdsl eject` writes gives the same numbers, bit by bit, in evaluation and training.
- `pt2_seconds` and `onnx_seconds`: what the export took, comparisons included, with one thread.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

import vitdsl
from tests.compiler.ejected import both, module_of
from tests.evidence import table
from tests.zoo.specs import NAMES
from vitdsl.exporting.checking import difference
from vitdsl.exporting.export import export

TABLE = "agreement.csv"
LIMIT = 1e-4


def judge(name: str) -> dict[str, Any]:
    """The row of one spec."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    spec = vitdsl.load(name)
    model = vitdsl.build(spec).eval()
    row: dict[str, Any] = {"spec": name, "params": spec.analyze().params}
    given = spec.model.input
    images = torch.randn(2, given.channels, *given.size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = model(images)
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        row["compiled"] = f"{difference(compiled(images), expected):.1e}"
    torch.compiler.reset()
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("pt2", "onnx"):
            done = export(model, Path(folder) / f"model.{kind}", dynamic=("batch",))
            row[kind] = f"{max(check.difference for check in done.checks):.1e}"
            row[f"{kind}_seconds"] = round(done.seconds, 1)
    row["ejected"] = "equal" if ejected_is_equal(spec, model, images) else "other"
    return row


def ejected_is_equal(spec: vitdsl.Spec, model: torch.nn.Module, images: torch.Tensor) -> bool:
    """Whether the ejected class with the model's weights gives its numbers."""
    other = module_of(vitdsl.eject(spec))["Model"]()
    other.load_state_dict(model.state_dict())
    ours, theirs = both(model, images), both(other, images)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def wrong(row: dict[str, Any]) -> bool:
    """Whether a row says that something is not the model."""
    return row["ejected"] != "equal" or any(not float(row[key]) <= LIMIT for key in ("compiled", "pt2", "onnx"))


def main() -> None:
    """Writes the table, a row at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", default=NAMES)
    parser.add_argument("--most", type=float, default=30, help="million parameters")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    began = time.monotonic()
    rows: list[dict[str, Any]] = [*table.read(TABLE)] if (table.HERE / TABLE).exists() else []
    sizes = {name: vitdsl.load(name).analyze().params for name in options.specs}
    known = {row["spec"] for row in rows}
    left = [
        name for name in sorted(sizes, key=sizes.__getitem__) if sizes[name] <= 1e6 * options.most and name not in known
    ]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, spawn, max_tasks_per_child=12) as pool:
        for row in pool.map(judge, left):
            rows.append(row)
            table.write(TABLE, sorted(rows, key=lambda row: int(row["params"])), [0], time.monotonic() - began)
            print(row, flush=True)
    faults = [row for row in rows if wrong(row)]
    print(f"{len(rows)} models, {len(faults)} of which do not agree")
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
