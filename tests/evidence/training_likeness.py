"""How alike the patches of an image become over 24 blocks, with each term against over-smoothing and without.

    python -m tests.evidence.training_likeness digits
    python -m tests.evidence.training_likeness runs/emoji        # the folder that tests.evidence.emoji makes

Trains the deep students of `training_ways` by one seed, and writes training_NAME_likeness.csv: after each block, the
mean cosine over pairs of patches and over photos that evaluate; and the picture docs/pictures/likeness_NAME.svg.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

import vitdsl
from tests.evidence import table
from tests.evidence.training_ways import SMOOTH, Job, changes_of, fit, student, ways
from vitdsl.pages.plot import Line, Panel, picture
from vitdsl.spec import Spec
from vitdsl.training.data import photos_for
from vitdsl.training.diversity import mean_cosine
from vitdsl.training.loading import evaluation_loader

SEED = 0
PHOTOS = 256
"""Photos on which the likeness is measured."""
BLOCKS = 24
FOLDER = Path(__file__).parents[2] / "docs/pictures"
COLORS = {
    "depth 24": "#1f2933", "patch cosine": "#c2374a", "patch contrastive": "#1b6ca8", "attention cosine": "#b7791f",
    "depth 24, CutMix": "#7b8794", "patch mixing": "#2b7a3d", "all three": "#6b3fa0",
}  # fmt: skip
DASHES = "9 5"
"""Of what the others are compared with."""
GROUPS = {
    "Without CutMix": ("depth 24", "patch cosine", "patch contrastive", "attention cosine"),
    "With CutMix": ("depth 24, CutMix", "patch mixing", "all three"),
}


def run(job: Job) -> list[float]:
    """Trains a student; the mean cosine of its patches after each block."""
    torch.set_num_threads(1)
    spec = student(job.data, job.way.spec)
    with tempfile.TemporaryDirectory() as name:
        fit(job.data, spec, changes_of(job), Path(name), job.seed)
        return likeness(spec, job.data, Path(name) / "last.safetensors")


@torch.no_grad()
def likeness(spec: Spec, data: str, weights: Path) -> list[float]:
    """The mean cosine of pairs of patches after each block; the first token is none of them."""
    model = vitdsl.build(spec)
    vitdsl.load_weights(model, weights)
    model.eval()
    found: list[list[float]] = [[] for _ in range(BLOCKS)]
    for index in range(BLOCKS):
        block = model.get_submodule(f"stages.1.block.{index}")
        block.register_forward_hook(noting(found[index]))
    loader = evaluation_loader(photos_for(spec, data).validation, spec, PHOTOS)
    model(next(iter(loader)).images)
    return [statistics.fmean(each) for each in found]


def noting(kept: list[float]) -> Callable[[Any, Any, torch.Tensor], None]:
    """A hook that notes how alike the patches are."""

    def note(module: Any, given: Any, tokens: torch.Tensor) -> None:
        kept.append(mean_cosine(tokens[:, 1:]).item())

    return note


def panel(title: str, names: tuple[str, ...], found: dict[str, list[float]]) -> Panel:
    """The lines of some ways."""
    lines = [
        Line(name, [*enumerate(found[name], 1)], COLORS[name], "" if name in COMPARED else DASHES) for name in names
    ]
    return Panel(title, "block", lines, within=(-1.0, 1.0))


COMPARED = frozenset(name for names in GROUPS.values() for name in names[1:])


def main() -> None:
    """Makes the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="digits, or a folder with train and val")
    options = parser.parse_args()
    began, name = time.perf_counter(), Path(options.data).name
    known = {key: way for key, way in ways("", "", "").items() if way.spec == SMOOTH}
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        cosines = [*pool.map(run, (Job(options.data, key, way, SEED) for key, way in known.items()))]
    found = dict(zip(known, cosines, strict=True))
    rows: list[dict[str, Any]] = [
        {"way": key, "block": block, "cosine": f"{cosine:.6f}"}
        for key, values in found.items() for block, cosine in enumerate(values, 1)
    ]  # fmt: skip
    print(table.write(f"training_{name}_likeness.csv", rows, [SEED], time.perf_counter() - began))
    FOLDER.mkdir(exist_ok=True)
    panels = [panel(title, names, found) for title, names in GROUPS.items()]
    path = FOLDER / f"likeness_{name}.svg"
    path.write_text(picture(f"Mean cosine of patches, {name}", panels), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
