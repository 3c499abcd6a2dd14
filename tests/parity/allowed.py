"""What `tests/exceptions.md` allows the parity tests: a row for each exception, with its reason."""

from __future__ import annotations

from functools import cache
from pathlib import Path

EXCEPTIONS = Path(__file__).parents[1] / "exceptions.md"


@cache
def rows() -> tuple[tuple[str, str, str], ...]:
    """(where, what, why) of every row of the tables in the file."""
    lines = [line for line in EXCEPTIONS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return tuple((where.strip("`"), what, why) for where, what, why in cells)


def allowed(where: str, subject: str) -> list[str]:
    """What stands behind `subject: ` in the rows of one test file."""
    found = [what.strip("`") for place, what, _ in rows() if place == where]
    return [what.removeprefix(f"{subject}: ") for what in found if what.startswith(f"{subject}: ")]
