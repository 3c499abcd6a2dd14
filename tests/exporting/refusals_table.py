"""The table of `docs/export.md`: which families have one size; `python -m tests.exporting.refusals_table` writes it."""

from __future__ import annotations

from pathlib import Path

import vitdsl
from tests.docs.tables import put
from tests.zoo.specs import families, smallest
from vitdsl.errors import SpecError
from vitdsl.exporting.sizes import find_sizes

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
BEGIN, END = "<!-- refusals -->\n", "<!-- /refusals -->\n"


def rows() -> list[str]:
    """A line for each family whose height and width cannot be dynamic."""
    found = []
    for name in smallest():
        try:
            find_sizes(vitdsl.build(name, "meta"), ("height", "width"))
        except SpecError as error:
            (problem,) = error.problems
            count = len(families()[vitdsl.load(name).names[-1]])
            more = f" and {count - 1} more" if count > 1 else ""
            reason = problem.message.partition("cannot be dynamic: ")[2]
            found.append(f"| `{name}`{more} | `{problem.path}` | {reason} |\n")
    return found


def written(page: str) -> str:
    """The page with the table that the specs give."""
    return put(page, BEGIN, END, rows())


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
