"""The card of a model, in Markdown: what it is, what it costs, and how photos are prepared for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vitdsl.errors import printable
from vitdsl.exporting.header import preprocessing
from vitdsl.graph.costs import Analysis
from vitdsl.units import format_count, format_macs

if TYPE_CHECKING:
    from vitdsl.compiler.model import BuiltModel

LONGEST = 200
"""More letters of a name or a title are cut."""
FRONT = """---
library_name: vitdsl
tags:
- vitdsl
- vision
---
"""
"""What the hub reads; no text of a spec stands in it."""
USE = """## Use

```python
import vitdsl

model = vitdsl.from_pretrained("FOLDER OR REPOSITORY").eval()
```

`spec.yaml` says what it is made of, `vitdsl.preprocess.transform(model.spec)` prepares a photo.
"""


def card(model: BuiltModel) -> str:
    """The card of a model. Texts of its spec are shown as they are, and are no markup.

    Args:
        model: what `build` gave.
    """
    spec, analysis = model.spec, Analysis(model.graph_for(model.image_size))
    costs = f"{format_count(analysis.params)} parameters, {format_macs(analysis.macs)}"
    lines = [FRONT, f"# {plain(spec.name)}", "", *_paper(spec.model.paper or {})]
    lines += [f"A model of vitdsl: {costs}, for images of {_sides(model.image_size)}.", "", *_outputs(model), USE]
    rows = [(s.path, str(s.blocks), format_count(s.cost.params), format_count(s.cost.macs)) for s in analysis.stages]
    lines += ["## Costs", "", *_table(("stage", "blocks", "parameters", "MACs"), rows)]
    return "\n".join([*lines, "## Photos", "", *_photos(model)])


def plain(text: object) -> str:
    """A text of a spec, which Markdown shows as it is: on one line, no markup, not too long."""
    shown = printable(" ".join(str(text).split()))
    cut = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", cut)


def _paper(paper: Mapping[str, Any]) -> Iterator[str]:
    """What a spec says of its paper."""
    said = [plain(paper["title"])] if "title" in paper else []
    said += [f"arXiv {plain(paper['arxiv'])}"] if "arxiv" in paper else []
    told = {"params": "parameters", "macs": "MACs"}
    said += [f"by the paper {plain(paper[key])} {word}" for key, word in told.items() if key in paper]
    if said:
        yield from (", ".join(said), "")


def _outputs(model: BuiltModel) -> Iterator[str]:
    """What a model gives."""
    if model.features is None:
        classes = model.spec.model.classes
        yield from (f"It tells {classes} classes apart." if classes else "It has no classifier.", "")
        return
    yield from ("It is a backbone, which gives these maps:", "")
    features = {path: model.lowered.frame.features[number] for path, number in model.lowered.outputs.items()}
    rows = [(path, str(feature.dim), _sides(feature.grid or ())) for path, feature in features.items()]
    yield from _table(("block", "channels", "grid"), rows)


def _photos(model: BuiltModel) -> Iterator[str]:
    """How a photo becomes an image."""
    channels, found = model.spec.model.input.channels, preprocessing(model)
    if found is None:
        yield from (f"Images have {channels} channels, which photos do not have.", "")
        return
    rows = [
        ("size", _sides(found["size"])), ("channels", str(channels)), ("crop", f"{found['crop']:g}"),
        ("interpolation", found["interpolation"]), ("mean", ", ".join(f"{each:g}" for each in found["mean"])),
        ("standard deviation", ", ".join(f"{each:g}" for each in found["std"])),
    ]  # fmt: skip
    yield from _table(("what", "how"), rows)


def _sides(sides: Sequence[int]) -> str:
    return "×".join(map(str, sides))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of texts."""
    for row in (columns, None, *rows):
        yield "| --- " * len(columns) + "|" if row is None else f"| {' | '.join(map(plain, row))} |"
    yield ""
