"""Trainings of the tests: a small spec, a recipe in which much is drawn, and digits in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from sklearn.datasets import load_digits

import vitdsl
from vitdsl.spec import Spec, load
from vitdsl.training.checkpoints import read_checkpoint
from vitdsl.training.recipe import Recipe, load_recipe
from vitdsl.training.run import Hardware, Result, train

SPEC = """
input: {size: 8, channels: 1, mean: [0.5], std: [0.5], crop: 1.0}
classes: 10
stages:
  - tokenizer: {type: patch, size: 4, dim: 16}
    body: [{mixer: {type: global, heads: 2}, drop_path: 0.2}, {mlp: {ratio: 1}}]
    norm: layer
head: {pool: mean}
"""
WITH_BATCH_NORM = SPEC.replace("{mlp: {ratio: 1}}", "{conv: {kernel: 3, norm: batch}}")
RECIPE: dict[str, Any] = {
    "name": "quick", "epochs": 2, "batch": 16, "smoothing": 0.1, "mix": "mixup_cutmix", "average": 0.9,
    "optimizer": {"learning_rate": 0.01, "weight_decay": 0.05}, "schedule": {"warmup": 1}, "clip": 1.0,
}  # fmt: skip
PLAIN: dict[str, Any] = {"mix": None, "augment": {"crop": "none", "flip": 0.0}, "smoothing": 0.0}
"""Nothing is drawn but the order."""
CPU = Hardware(accelerator="cpu")
OF_TIME = ("seconds", "images_per_second")


def spec_of(text: str = SPEC, **edits: Any) -> Spec:
    return load(text, {"name": "tiny", **edits})


def recipe_of(**edits: Any) -> Recipe:
    return load_recipe({**RECIPE, **edits})


def digits_in(folder: Path, each: int = 8, held: int = 3) -> str:
    """A folder with so many digits of each class that train, and that evaluate."""
    digits: Any = load_digits()
    for label in range(10):
        images = digits.images[digits.target == label]
        for part, rows in (("train", images[:each]), ("val", images[each : each + held])):
            (folder / part / str(label)).mkdir(parents=True, exist_ok=True)
            for index, pixels in enumerate(rows):
                path = folder / part / str(label) / f"{index:02}.png"
                Image.fromarray((pixels * (255 / 16)).round().astype("uint8")).save(path)
    return str(folder)


def run(folder: Path, data: str, spec: Spec | None = None, recipe: Recipe | None = None, **options: Any) -> Result:
    """Trains here, on the CPU."""
    return train(spec or spec_of(), recipe or recipe_of(), folder, data, **{"hardware": CPU, **options})


def timeless(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Without what differs from one run to the next."""
    return [{name: value for name, value in entry.items() if name not in OF_TIME} for entry in history]


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """The leaves of nested containers by path."""
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, (list, tuple)):
        pairs = enumerate(value)
    else:
        return {path: value}
    return {key: leaf for name, entry in pairs for key, leaf in flat(entry, f"{path}/{name}").items()}


def assert_equal(first: Path, second: Path) -> None:
    """Weights, averages, the optimizer and the history of two folders are the same, bit by bit."""
    one, two = (read_checkpoint(folder / "last.ckpt") for folder in (first, second))
    assert timeless(one["vitdsl"]["history"]) == timeless(two["vitdsl"]["history"])
    for part in ("state_dict", "optimizer_states", "global_step", "epoch"):
        mine, theirs = flat(one[part]), flat(two[part])
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            same = torch.equal(value, theirs[key]) if isinstance(value, torch.Tensor) else value == theirs[key]
            assert same, f"{part}{key}"
    for name in ("last", "best", "average"):
        assert weights(first, name).keys() == weights(second, name).keys()
        for key, value in weights(first, name).items():
            assert torch.equal(value, weights(second, name)[key]), f"{name}: {key}"
    columns = [[row.split(",") for row in table(folder)] for folder in (first, second)]
    kept = [index for index, name in enumerate(columns[0][0]) if name not in OF_TIME]
    assert [[row[k] for k in kept] for row in columns[0]] == [[row[k] for k in kept] for row in columns[1]]


def weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / f"{name}.safetensors")


def table(folder: Path) -> list[str]:
    return (folder / "history.csv").read_text(encoding="utf-8").splitlines()


def environment() -> dict[str, str]:
    """Of processes that are compared with this one, which has one thread."""
    known = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE")}
    paths = [str(Path(vitdsl.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    known["PYTHONPATH"] = os.pathsep.join(paths)
    return {**known, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "COLUMNS": "200"}


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """`vitdsl` as a process of its own, which warnings end."""
    command = [sys.executable, "-W", "error", "-m", "vitdsl", *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment(), cwd=folder, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it may be ignored where the tests run
    )  # fmt: skip


def written(folder: Path, spec: str = SPEC, **edits: Any) -> tuple[Path, Path]:
    """A spec and a recipe as files."""
    (folder / "tiny.yaml").write_text(spec, encoding="utf-8")
    (folder / "quick.yaml").write_text(recipe_of(**edits).dump(), encoding="utf-8")
    return folder / "tiny.yaml", folder / "quick.yaml"
