"""The report of a training: a picture of its curve, and a page that needs no network."""

from __future__ import annotations

import math
import platform
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vitdsl import __version__
from vitdsl.graph.costs import Analysis
from vitdsl.pages import render, shown
from vitdsl.pages.plot import inline, picture
from vitdsl.resolve.files import write_text
from vitdsl.spec import Spec
from vitdsl.training.curve import accuracy_panel, loss_panel, rate_panel
from vitdsl.training.folder import BEST
from vitdsl.training.history import Entry, accuracy_of, best_of, columns_of
from vitdsl.training.recipe import Recipe
from vitdsl.units import format_clock, format_count, format_macs, format_measure

HERE = Path(__file__).parent
CURVE, PAGE = "curve.svg", "report.html"
MISSING = "–"
LONGEST = 200
"""More letters of a name or a title are cut."""
PACKAGES = ("torch", "lightning", "timm", "torchvision", "numpy")
"""Packages whose versions are noted."""
_ARXIV = re.compile(r"\d{4}\.\d{4,5}(v\d+)?|[a-z-]+(\.[A-Z]{2})?/\d{7}(v\d+)?")
_ADDRESS = re.compile(r"https?://[!-~]+")

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Headings and rows; the first cell of a row is its name."""


def write_report(
    folder: str | Path, spec: Spec, recipe: Recipe, history: Sequence[Entry], data: str | None = None
) -> None:
    """Writes `curve.svg` and `report.html`.

    Args:
        folder: where they are written; it must exist.
        spec: of the model.
        recipe: how it is trained.
        history: what was measured, an entry for each epoch; it may be empty.
        data: what it is trained on, as a command names it.

    Raises:
        OSError: they cannot be written; what was there is as it was.
    """
    title = f"{spec.name} · {recipe.name}"
    write_text(Path(folder) / CURVE, picture(title, [loss_panel(history), accuracy_panel(history)]))
    write_text(Path(folder) / PAGE, page(spec, recipe, history, data))


def page(spec: Spec, recipe: Recipe, history: Sequence[Entry], data: str | None = None) -> str:
    """The page's text. All strings are escaped, and what would not print, or hides, is shown as its code."""
    analysis = spec.analyze()
    return render(HERE, "report.html", {
        "title": _short(f"{spec.name} · {recipe.name}"), "summary": _summary(recipe, history, data),
        "sources": [_source("Spec", spec.name, spec.model.paper), _source("Recipe", recipe.name, recipe.file.paper)],
        "curves": [inline(loss_panel(history)), inline(accuracy_panel(history))], "rate": inline(rate_panel(history)),
        "measures": _measures(history), "costs": _costs(analysis, spec.model.paper or {}), "stages": _stages(analysis),
        "averaged": recipe.file.average is not None, "commands": _commands(data),
        "versions": ((), [*_versions()]), "epochs": _epochs(history),
        "recipe": {"name": _short(recipe.name), "text": shown(recipe.dump())},
        "spec": {"name": _short(spec.name), "text": shown(spec.dump())},
    })  # fmt: skip


# ---------------------------------------------------------------- words


def heading(name: str) -> str:
    """A measure as people call it."""
    averaged = name.startswith("average_")
    words = name.removeprefix("average_").replace("accuracy_5", "accuracy of 5").replace("_", " ")
    words = {"seconds": "time", "skipped": "photos skipped", "images per second": "images/s"}.get(words, words)
    return f"{words}, averaged" if averaged else words


def measure(name: str, value: float | None) -> str:
    """A measure as it stands in a table."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return f"{value:g}"
    if name in ("epoch", "step", "skipped", "images_per_second"):
        return f"{value:,.0f}"
    if "accuracy" in name:
        return f"{100 * value:.2f}%"
    return format_clock(value) if name == "seconds" else f"{value:.4g}"


def _short(text: object, most: int = LONGEST) -> str:
    found = shown(text)
    return found if len(found) <= most else f"{found[: most - 1]}…"


def _summary(recipe: Recipe, history: Sequence[Entry], data: str | None) -> str:
    """How far the training is, and what it came to."""
    on = "" if data is None else f" on {_short(data)}"
    words = [f"{len(history):,} of {recipe.file.epochs:,} epochs{on}, batches of {recipe.file.batch:,} images"]
    best = best_of(history)
    if best is not None:
        words.append(f"best accuracy {100 * accuracy_of(best):.2f}%, after epoch {measure('epoch', best.get('epoch'))}")
    return "; ".join(words) + "."


def _source(what: str, name: str, paper: Mapping[str, Any] | None) -> dict[str, Any]:
    """A name, and where it comes from: texts, each with the address that it leads to or None."""
    texts = []
    for key, value in (paper or {}).items():
        text = _short(value)
        if key == "arxiv" and _ARXIV.fullmatch(str(value)):
            texts.append((f"arXiv {text}", f"https://arxiv.org/abs/{value}"))
        elif _ADDRESS.fullmatch(str(value)):
            texts.append((text if key == "title" else _short(key), str(value)))
        elif key not in ("params", "macs"):
            texts.append((text if key == "title" else f"{_short(key)} {text}", None))
    return {"what": what, "name": _short(name), "texts": texts}


def _commands(data: str | None) -> str:
    """How the weights are used."""
    on = "DATA" if data is None else shlex.quote(shown(data))
    lines = ("vitdsl build spec.yaml", f"vitdsl eval spec.yaml --data {on}")
    return "\n".join(f"{line} --weights {BEST}" for line in lines)


# ---------------------------------------------------------------- tables


def _measures(history: Sequence[Entry]) -> Table:
    """The measures of the best and of the last epoch."""
    best, last = best_of(history), history[-1] if history else None
    chosen = [(f"{name} epoch", entry) for name, entry in (("best", best), ("last", last)) if entry is not None]
    names = columns_of([entry for _, entry in chosen])
    rows = [[_short(heading(name)), *(measure(name, entry.get(name)) for _, entry in chosen)] for name in names]
    return ("", *(name for name, _ in chosen)), rows


def _epochs(history: Sequence[Entry]) -> Table:
    """Every epoch, the last one first."""
    names = columns_of(history)
    rows = [[measure(name, entry.get(name)) for name in names] for entry in reversed(history)]
    return [_short(heading(name)) for name in names], rows


def _costs(analysis: Analysis, paper: Mapping[str, Any]) -> Table:
    """What the model costs for one image, and what its paper says."""
    image = analysis.graph.frame.features[0]
    rows = [
        ["image", " × ".join(map(str, (image.dim, *(image.grid or ()))))],
        ["parameters", f"{analysis.params:,}"],
        ["of them trainable", f"{analysis.trainable_params:,}"],
        ["multiply-adds", format_macs(analysis.macs)],
        ["outputs of all operators", format_measure(analysis.activation_bytes, "bytes")],
    ]
    rows += [[f"{word} in the paper", _short(paper[key])]
             for key, word in (("params", "parameters"), ("macs", "multiply-adds")) if key in paper]  # fmt: skip
    return (), rows


def _stages(analysis: Analysis) -> Table:
    rows = [[_short(s.path), format_count(s.cost.params), format_macs(s.cost.macs)] for s in analysis.stages]
    return ("stage", "parameters", "multiply-adds"), rows


def _versions() -> Iterator[list[str]]:
    """The packages that decide about numbers, as installed."""
    yield ["vitdsl", __version__]
    yield ["Python", platform.python_version()]
    for name in PACKAGES:
        try:
            yield [name, version(name)]
        except PackageNotFoundError:
            continue
