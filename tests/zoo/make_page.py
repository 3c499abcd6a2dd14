"""Writes `docs/zoo.md`: `python -m tests.zoo.make_page`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import vitdsl
from tests.zoo.specs import NAMES
from vitdsl.checkpoints.sources import sources
from vitdsl.checkpoints.tables import tables_of
from vitdsl.graph.axes import axes
from vitdsl.spec import Spec
from vitdsl.units import format_count

PAGE = Path(__file__).parents[2] / "docs" / "zoo.md"
HEAD = """\
# The zoo

Every shipped spec, by paper; this page is written by `python -m tests.zoo.make_page`, and a test says when it is stale.

Parameters are counted with the fixed tables that checkpoints hold, multiply-adds (MACs) of one image as built; beside
both stands what the paper prints. Layouts are those whose weights the spec reads and writes, beside our own; `↓` marks
weights that `vitdsl build SPEC --weights LAYOUT` downloads. The last column condenses `vitdsl show SPEC --axes`: what
mixes tokens, seen as a convolution whose kernels are computed (kernel, activation, selection and bank).
"""
COLUMNS = ("spec", "parameters", "paper", "MACs", "paper", "layouts", "axes")


def page() -> str:
    """The whole text."""
    papers: dict[tuple[str, str], list[str]] = {}
    for name in NAMES:
        spec = vitdsl.load(name)
        paper = spec.model.paper or {}
        key = str(paper.get("title") or "Without a paper"), str(paper.get("arxiv") or "")
        papers.setdefault(key, []).append(_row(spec, paper))
    parts = [HEAD]
    for (title, arxiv), rows in sorted(papers.items()):
        link = f"arXiv [{arxiv}](https://arxiv.org/abs/{arxiv})\n\n" if arxiv else ""
        lines = (COLUMNS, ("---", "--:", "--:", "--:", "--:", "---", "---"))
        table = "\n".join([*(f"| {' | '.join(line)} |" for line in lines), *rows])
        parts.append(f"## {title}\n\n{link}{table}\n")
    return "\n".join(parts)


def _row(spec: Spec, paper: dict[str, Any]) -> str:
    analysis = spec.analyze()
    printed = [str(paper.get(key) or "-") for key in ("params", "macs")]
    known = {source.layout for source in sources() if source.spec == spec.name}
    layouts = [f"{layout} ↓" if layout in known else layout for layout in sorted(tables_of(spec.names))]
    cells = (
        f"`{spec.name}`", f"{analysis.params:,}", printed[0], format_count(analysis.macs), printed[1],
        ", ".join(layouts) or "-", condensed(axes(spec.graph())),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def condensed(rows: Iterable[dict[str, str]]) -> str:
    """One line of all rows that `vitdsl show --axes` prints: widths, heads and paths left out, equal ones once."""
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for row in rows:
        kernel = row["kernel"].partition(",")[0]
        count, of, how = row["bank"].partition(" tokens")
        if of:
            selection = "its own window" if row["selection"].startswith("own window") else "all"
            key = (f"{kernel}, {row['activation']}, over {selection} of ", f" tokens{how}")
        else:
            key, count = (f"{kernel} {row['size']}, {row['activation']}, {row['selection']}, {row['bank']}", ""), ""
        found.setdefault(key, {}).setdefault(count)
    return "; ".join(f"{before}{', '.join(counts)}{after}" for (before, after), counts in found.items()) or "-"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
