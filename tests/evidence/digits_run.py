"""One real search of the digits space, compared with the table: every trained candidate has the accuracy that it says.

`python -m tests.evidence.digits_run` runs specs/searches/digits.yaml by two workers into a new study, and writes
digits_run.csv: each trial, its accuracy after the last rung it came to, and the table's for the same seed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.evidence import table
from vitdsl.search.file import load_search
from vitdsl.search.results import rows_of
from vitdsl.search.run import run_search
from vitdsl.search.study import existing_study


def main() -> None:
    """Makes the table."""
    began = time.perf_counter()
    search = load_search("digits")
    known = {row["hash"]: row for row in table.read("digits_table.csv")}
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "digits.db"
        outcome = run_search(search, storage, workers=2)
        with existing_study(storage) as study:
            found = rows_of(study, search)
    rows = []
    for row in found:
        said = known[row.hash]["accuracy_0"] if row.state == "COMPLETE" else ""
        rows.append({
            "trial": row.number, "state": row.state, "hash": row.hash, "macs": int(row.measures["macs"]),
            "rung": row.rung, "accuracy": row.measures.get("accuracy", ""), "in_table": said,
        })  # fmt: skip
    complete = [row for row in rows if row["state"] == "COMPLETE"]
    equal = sum(str(row["accuracy"]) == row["in_table"] for row in complete)
    print(f"{outcome.complete} complete, {outcome.pruned} pruned; {outcome.ended}")
    print(f"{equal} of {len(complete)} complete candidates have the table's accuracy, to the last bit")
    limit = search.constraints["macs"].max
    within = {name: float(row["accuracy_0"]) for name, row in known.items() if float(row["macs"]) <= limit}
    best = max(float(row["accuracy"]) for row in complete)
    above = sum(value > best for value in within.values())
    print(
        f"best {best:.4f}; of {len(within)} candidates below {limit:,} multiply-adds, {above} are better in the table"
    )
    print(table.write("digits_run.csv", rows, [search.file.seed], time.perf_counter() - began))


if __name__ == "__main__":
    main()
