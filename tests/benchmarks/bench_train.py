"""Training: images a second of `vitdsl train`, of the same model in a bare loop, and of timm's model in that loop.

    python -m tests.benchmarks.bench_train [SPEC …] [--batch 16] [--images 64] [--pairs 5]
    python -m tests.benchmarks.bench_train vit_small16 swin_tiny cvt13 --device cuda --precision bf16

All three have the same batches of the same loader, augmented as the recipe says, and the same optimizer. They train in
turn, an epoch each, on noise of the size of the spec's input; `cct_2_3x2_32` on scikit-learn's digits. What evaluates
and what is saved is not counted. A ratio above 1 says that `vitdsl train` is faster.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import vitdsl
from tests.benchmarks.pairs import MODELS, theirs, versions
from vitdsl.spec import Spec
from vitdsl.timing import Quartiles, keep_memory, ratio
from vitdsl.training.data import photos_for
from vitdsl.training.loading import Loader, training_loader
from vitdsl.training.optimizer import make_optimizer
from vitdsl.training.recipe import Recipe, load_recipe
from vitdsl.training.run import Hardware, train

LEAST = 0.95
"""The images a second of `vitdsl train` that are wanted, as a share of the bare loop's."""
DIGITS = "cct_2_3x2_32"
CLASSES = 4


class Clock(Callback):
    """Notes how long each epoch of Lightning's trains, from its first batch to its last."""

    def __init__(self, device: str) -> None:
        self.device, self.began, self.seconds = device, 0.0, list[float]()

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """An epoch begins."""
        self.began = now(self.device)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """The last batch ends it."""
        if batch_idx + 1 == trainer.num_training_batches:
            self.seconds.append(now(self.device) - self.began)


def now(device: str) -> float:
    """The time, once the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def loop(model: nn.Module, recipe: Recipe, options: argparse.Namespace) -> Callable[[Loader, int], float]:
    """A training without anything around it; gives the seconds of an epoch."""
    model = model.to(options.device).train()
    optimizer = make_optimizer(model, recipe)

    def epoch(loader: Loader, number: int) -> float:
        loader.set_epoch(number)
        began = now(options.device)
        for batch in loader:
            images, labels = (each.to(options.device, non_blocking=True) for each in (batch.images, batch.labels))
            with autocast(options):
                outputs: Tensor | dict[str, Tensor] = model(images)
                logits = outputs if isinstance(outputs, Tensor) else next(iter(outputs.values()))
                loss = cross_entropy(logits, labels, label_smoothing=recipe.file.smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            assert options.device == "cuda" or torch.isfinite(loss)
        return now(options.device) - began

    return epoch


def several(epoch: Callable[[Loader, int], float], loader: Loader, epochs: int) -> float:
    """Seconds of an epoch of a bare loop: the median of all but the first."""
    return statistics.median([epoch(loader, number) for number in range(epochs)][1:])


def autocast(options: argparse.Namespace) -> Any:
    """The precision that is asked for."""
    if options.precision == "32":
        return nullcontext()
    return torch.autocast(options.device, torch.bfloat16)


def ours(spec: Spec, recipe: Recipe, data: str, options: argparse.Namespace, epochs: int) -> float:
    """Seconds of an epoch of a training of ours: the median of all but the first."""
    clock = Clock(options.device)
    hardware = Hardware(
        accelerator="gpu" if options.device == "cuda" else "cpu", precision=options.precision, workers=options.workers
    )
    with tempfile.TemporaryDirectory() as folder:
        train(spec, recipe, folder, data, until=epochs, hardware=hardware, callbacks=(clock,))
    return statistics.median(clock.seconds[1:])


def noise(folder: Path, spec: Spec, count: int) -> str:
    """Photos of noise in folders by class, and one of each class that evaluates."""
    draw = np.random.default_rng(0)
    height, width = spec.model.input.size
    for label in range(CLASSES):
        for part, each in (("train", count // CLASSES), ("val", 1)):
            place = folder / part / str(label)
            place.mkdir(parents=True)
            for index in range(each):
                pixels = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{index:03}.jpg", quality=85)
    return str(folder)


def compare(name: str, options: argparse.Namespace, folder: Path) -> tuple[Quartiles, Quartiles | None, float]:
    """Quartiless of `vitdsl train` to the bare loop, and to timm's model in it; and our images a second."""
    spec = vitdsl.load(name, {} if name == DIGITS else {"classes": CLASSES})
    data = "digits" if name == DIGITS else noise(folder / name, spec, options.images)
    recipe = load_recipe("digits", {"batch": options.batch, "clip": None, "epochs": 100, "evaluate_every": 100})
    photos = photos_for(spec, data).train
    loader = training_loader(photos, spec, recipe.file, workers=options.workers, pin=options.device == "cuda")
    bare = loop(vitdsl.build(spec), recipe, options)
    known = None
    if name in MODELS:
        model: Any = theirs(name)
        model.reset_classifier(CLASSES)
        known = loop(model, recipe, options)
    runs: list[Any] = [partial(ours, spec, recipe, data, options, options.epochs)]
    runs += [partial(several, each, loader, options.epochs) for each in (bare, known) if each is not None]
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(options.pairs):
        for which in range(len(runs)) if turn % 2 else reversed(range(len(runs))):
            times[which].append(runs[which]())
    mine, *others = times
    rate = len(loader) * options.batch / statistics.median(mine)
    ratios = [ratio(zip(each, mine, strict=True)) for each in others]
    return ratios[0], ratios[1] if known is not None else None, rate


def main() -> None:
    """Prints a line for each model, and fails where `vitdsl train` is too slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", default=[DIGITS, "deit_tiny", "mobilenet_v2"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--images", type=int, default=64, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=3, help="of each training of ours; the first is not counted")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    options = parser.parse_args()
    keep_memory()
    print(versions())
    found: list[float] = []
    for name in options.specs:
        with tempfile.TemporaryDirectory() as folder:
            bare, known, rate = compare(name, options, Path(folder))
        found.append(bare.middle)
        beside = "" if known is None else f", timm's in it/ours {known}"
        print(f"{name:<14} batch {options.batch}: {rate:7,.1f} images/s, bare loop/ours {bare}{beside}", flush=True)
    if min(found) < LEAST:
        raise SystemExit(f"wanted: none below {LEAST}")


if __name__ == "__main__":
    main()
