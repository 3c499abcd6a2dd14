"""How alike the patches of an image are after each of 24 blocks, drawn from the tables of `training_ways`.

`python -m tests.evidence.training_pictures` writes docs/pictures/likeness_digits.svg and likeness_emoji.svg: the mean
of all seeds, a line for each way of training.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.evidence import table
from vitdsl.pages.plot import Line, Panel, picture

FOLDER = Path(__file__).parents[2] / "docs/pictures"
COLORS = {
    "depth 24": "#1f2933", "patch cosine": "#c2374a", "patch contrastive": "#1b6ca8", "attention cosine": "#b7791f",
    "depth 24, CutMix": "#7b8794", "patch mixing": "#2b7a3d", "all three": "#6b3fa0",
}  # fmt: skip
PLAIN = "9 5"
"""Dashes of what the others are compared with."""
GROUPS = {
    "Without CutMix": ("depth 24", "patch cosine", "patch contrastive", "attention cosine"),
    "With CutMix": ("depth 24, CutMix", "patch mixing", "all three"),
}


def panel(title: str, ways: tuple[str, ...], rows: list[dict[str, str]]) -> Panel:
    """The lines of some ways."""
    lines = []
    for way in ways:
        found: dict[int, list[float]] = {}
        for row in rows:
            if row["way"] == way:
                found.setdefault(int(row["block"]), []).append(float(row["cosine"]))
        points = [(float(block), statistics.fmean(values)) for block, values in sorted(found.items())]
        lines.append(Line(way, points, COLORS[way], PLAIN if way.startswith("depth") else ""))
    return Panel(title, "block", lines, within=(-1.0, 1.0))


def main() -> None:
    """Makes the pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name in ("digits", "emoji"):
        rows = table.read(f"training_{name}_likeness.csv")
        panels = [panel(title, ways, rows) for title, ways in GROUPS.items()]
        text = picture(f"Mean cosine of patches, {name}", panels)
        (FOLDER / f"likeness_{name}.svg").write_text(text, encoding="utf-8")
        print(FOLDER / f"likeness_{name}.svg")


if __name__ == "__main__":
    main()
