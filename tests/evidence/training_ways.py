"""Ways of training against the same student without: distillation, token labels, and each term against over-smoothing.

    python -m tests.evidence.training_ways digits
    python -m tests.evidence.training_ways runs/emoji        # the folder that tests.evidence.emoji makes

Writes training_NAME.csv: the accuracy of each way and seed after its last epoch. Prints the mean of each way, and its
difference to what it is compared with: the mean over seeds, which have the same weights to begin with and the same
order of photos, and Student's 95 % interval. Each training has one thread; two run at a time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from scipy import stats

import vitdsl
from tests.evidence import table
from vitdsl.spec import Spec, load
from vitdsl.training.label import label, labeller_of
from vitdsl.training.recipe import load_recipe
from vitdsl.training.run import Hardware, train

SEEDS = range(5)
CPU = Hardware(accelerator="cpu")
GRID = 4
"""Patches of a row, and of a column."""

TEACHER = """
stages:
  - tokenizer: {conv: {dim: 32, kernel: 3, stride: 2, padding: 1, norm: batch, activation: relu}}
    body:
      - {conv: {dim: 64, kernel: 3, stride: 2, padding: 1, norm: batch, activation: relu}}
      - {repeat: 2, body: [{conv: {dim: 64, kernel: 3, padding: 1, norm: batch, activation: relu}, residual: true}]}
head: {pool: mean}
"""
STUDENT = """
stages:
  - tokenizer: {type: patch, size: PATCH, dim: 48}
    body: [{point: mix_token}]
  - tokens: [cls, dist]
    position: learned
    depth: 3
    block: [{mixer: {type: global, heads: 3}}, {mlp: {ratio: 3}}]
    norm: layer
head:
  outputs:
    cls: [{pool: cls}, classifier]
    dist: [{pool: dist}, classifier]
    aux: [{from: grid}, classifier, {write: token_logits}, {pool: max}]
  merge: {cls: 1}
  training: [cls, dist, token_logits]
"""
SMOOTH = """
stages:
  - tokenizer: {type: patch, size: PATCH, dim: 32}
    body: [{point: embedding}]
  - tokens: [cls]
    position: learned
    depth: 24
    block: [{mixer: {type: global, heads: 2, maps: {after: [{point: attention}]}}}, {mlp: {ratio: 3}}]
    norm: layer
head:
  outputs:
    cls: [{pool: cls}, classifier]
    patch: [{from: grid}, {point: patches}, {pool: mean}, classifier]
  merge: {cls: 1}
  training: [cls, patch]
"""
LABELS: dict[str, Any] = {"labels": {"type": "cross_entropy", "output": "cls"}}
HALF = {"labels": {"type": "cross_entropy", "output": "cls", "weight": 0.5}}
CUTMIX = {"type": "mixup_cutmix", "mixup": 0, "cutmix": 1}
COSINE, CONTRASTIVE, MIXING = (
    {name: {"type": f"patch_{name}", "weight": 1}} for name in ("cosine", "contrastive", "mixing")
)


class Way(NamedTuple):
    """A way of training.

    Attributes:
        spec: of the student.
        beside: the way that it is compared with; None: it is one of those.
        recipe: what is changed in the recipe of the data set.
    """

    spec: str
    beside: str | None
    recipe: Mapping[str, Any]


def ways(teacher: str, weights: str, labels: str) -> dict[str, Way]:
    """All ways by name, with a trained teacher and its labels of tokens."""

    def taught(**fields: Any) -> dict[str, Any]:
        says = {"type": "distillation", "teacher": teacher, "teacher_weights": weights, "output": "dist", "weight": 0.5}
        return {"losses": {**HALF, "teacher": {**says, **fields}}}

    dist = {**HALF, "labels_too": {"type": "cross_entropy", "output": "dist", "weight": 0.5}}
    tokens = {"type": "token_labels"}
    return {
        "no teacher": Way(STUDENT, None, {"losses": dist}),
        "hard distillation": Way(STUDENT, "no teacher", taught(kind="hard")),
        "soft distillation": Way(STUDENT, "no teacher", taught(kind="soft", temperature=3.0)),
        "class token alone": Way(STUDENT, None, {"losses": LABELS}),
        "the image's label for tokens": Way(STUDENT, "class token alone", {"losses": {"tokens": tokens}}),
        "token labels": Way(STUDENT, "class token alone", {"losses": {"tokens": {**tokens, "file": labels}}}),
        "token labels, MixToken": Way(
            STUDENT, "class token alone", {"losses": {"tokens": {**tokens, "file": labels}}, "mix": "mix_token"}
        ),
        "depth 24": Way(SMOOTH, None, {"losses": LABELS}),
        "patch cosine": Way(SMOOTH, "depth 24", {"losses": {**LABELS, **COSINE}}),
        "patch contrastive": Way(SMOOTH, "depth 24", {"losses": {**LABELS, **CONTRASTIVE}}),
        "attention cosine": Way(SMOOTH, "depth 24", {"losses": {**LABELS, "attention": "attention_cosine"}}),
        "depth 24, CutMix": Way(SMOOTH, None, {"losses": LABELS, "mix": CUTMIX}),
        "patch mixing": Way(SMOOTH, "depth 24, CutMix", {"losses": {**LABELS, **MIXING}, "mix": CUTMIX}),
        "all three": Way(
            SMOOTH, "depth 24, CutMix", {"losses": {**LABELS, **COSINE, **CONTRASTIVE, **MIXING}, "mix": CUTMIX}
        ),
    }


class DataSet(NamedTuple):
    """Images of a data set, how students are trained on them, and for how long teachers and deep students are."""

    image: dict[str, Any]
    recipe: dict[str, Any]
    teacher_epochs: int
    deep_epochs: int


DIGITS = DataSet(
    {"size": 16, "channels": 1, "mean": "half", "std": "half", "crop": 1},
    {"extends": "digits", "epochs": 12, "optimizer": {"learning_rate": 3e-3}, "augment": {"crop": {"padding": 1}}},
    12,
    12,
)
FOLDER = DataSet(
    {"size": 32, "mean": "half", "std": "half", "crop": 1},
    {
        "extends": "digits", "epochs": 6, "optimizer": {"learning_rate": 3e-3}, "schedule": {"warmup": 1},
        "augment": {"crop": {"type": "random_resized", "scale": [0.6, 1]}, "color_jitter": 0.3},
    },
    24,
    4,
)  # fmt: skip


def kind_of(data: str) -> DataSet:
    """How students are trained on a data set."""
    return DIGITS if data == "digits" else FOLDER


class Job(NamedTuple):
    """One training."""

    data: str
    name: str
    way: Way
    seed: int


def student(data: str, text: str) -> Spec:
    """A spec for the images and classes of a data set."""
    kind = kind_of(data)
    classes = 10 if data == "digits" else sum(1 for path in (Path(data) / "train").iterdir() if path.is_dir())
    patch = kind.image["size"] // GRID
    return load(f"name: student\ninput: {kind.image}\nclasses: {classes}\n{text.replace('PATCH', str(patch))}")


def fit(data: str, spec: Spec, changes: Mapping[str, Any], folder: Path, seed: int) -> dict[str, float]:
    """Trains, and gives what was measured last."""
    base = kind_of(data).recipe
    recipe = load_recipe(
        {
            **base,
            **changes,
            "losses": {"labels": None, **changes.get("losses", {"labels": "cross_entropy"})},
            "seed": seed,
        }
    )
    return train(spec, recipe, folder, data, hardware=CPU).history[-1]


def run(job: Job) -> dict[str, Any]:
    """One training: a row of the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        last = fit(job.data, student(job.data, job.way.spec), changes_of(job), Path(name), job.seed)
    measures = {key: f"{last[key]:.6f}" for key in ("accuracy", "evaluation_loss", "loss")}
    return {"way": job.name, "beside": job.way.beside or "", "seed": job.seed, **measures}


def changes_of(job: Job) -> dict[str, Any]:
    """What a way changes in the recipe of its data set, deep students' epochs among it."""
    if job.way.spec != SMOOTH:
        return dict(job.way.recipe)
    return {**job.way.recipe, "epochs": kind_of(job.data).deep_epochs}


def teach(data: str, folder: Path) -> tuple[tuple[str, str, str], float]:
    """Trains the teacher, which labels tokens: its spec, its weights and its labels, and how often it is right."""
    spec = student(data, TEACHER)
    kind = kind_of(data)
    found = fit(data, spec, {"epochs": kind.teacher_epochs}, folder, seed=100)
    model = vitdsl.build(spec)
    vitdsl.load_weights(model, folder / "last.safetensors")
    label(labeller_of(model.eval()), data, folder / "labels.safetensors")
    spec_file, weights, labels = (
        str(folder / file) for file in ("spec.yaml", "last.safetensors", "labels.safetensors")
    )
    return (spec_file, weights, labels), found["accuracy"]


def summary(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each way."""
    found: dict[str, list[float]] = {}
    beside = {row["way"]: row["beside"] for row in rows}
    for row in rows:
        found.setdefault(row["way"], []).append(100 * float(row["accuracy"]))
    for name, values in found.items():
        line = f"| {name} | {statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f} |"
        if not beside[name]:
            yield f"{line} – |"
            continue
        gains = [mine - other for mine, other in zip(values, found[beside[name]], strict=True)]
        mean, error = statistics.fmean(gains), statistics.stdev(gains) / len(gains) ** 0.5
        reach = float(stats.t.ppf(0.975, len(gains) - 1)) * error
        yield f"{line} {mean:+.2f} ({mean - reach:+.2f} to {mean + reach:+.2f}) |"


def main() -> None:
    """Makes the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="digits, or a folder with train and val")
    parser.add_argument("--ways", nargs="*", help="some of them, for a look: nothing is written then")
    options = parser.parse_args()
    torch.set_num_threads(1)
    began, name = time.perf_counter(), Path(options.data).name
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        files, accuracy = teach(options.data, Path(folder))
        print(f"the teacher is right on {100 * accuracy:.2f}%", flush=True)
        known = {key: way for key, way in ways(*files).items() if not options.ways or key in options.ways}
        jobs = [Job(options.data, key, way, seed) for key, way in known.items() for seed in SEEDS]
        rows = []
        for row in pool.map(run, jobs):
            print(*row.values(), flush=True)
            rows.append(row)
    seconds = time.perf_counter() - began
    if options.ways:
        print(f"{seconds:.0f} s")
        return
    print(*summary(rows), sep="\n")
    print(table.write(f"training_{name}.csv", rows, SEEDS, seconds))


if __name__ == "__main__":
    main()
