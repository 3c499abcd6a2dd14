"""A training from its beginning, or from where it stopped: the folder, the trainer, and what is left of it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint
from lightning.pytorch.loggers import Logger

from vitdsl import __version__
from vitdsl.checkpoints.files import write_weights
from vitdsl.compiler.model import VisionModel
from vitdsl.errors import Problem
from vitdsl.resolve.files import write_text
from vitdsl.spec import Spec
from vitdsl.training.checkpoints import WholeFiles, read_checkpoint
from vitdsl.training.data import Splits, photos_for
from vitdsl.training.draws import Purpose, fixed_seed, seed_of
from vitdsl.training.errors import TrainingError
from vitdsl.training.history import UNKNOWN, accuracy_of
from vitdsl.training.label_file import token_labels_of
from vitdsl.training.loading import Loader, evaluation_loader, training_loader
from vitdsl.training.mixing import Mixer
from vitdsl.training.module import Training
from vitdsl.training.needs import check_needs
from vitdsl.training.objective import Objective
from vitdsl.training.optimizer import refuse_optimizer
from vitdsl.training.recipe import Recipe
from vitdsl.training.report import write_report
from vitdsl.training.teachers import load_teachers

CHECKPOINT = "last.ckpt"
IDENTITY = "run.json"
HISTORY = "history.csv"
DRAWS_OF_WEIGHTS = 0


class Hardware(NamedTuple):
    """What a training runs on.

    Attributes:
        devices: of one machine.
        nodes: machines.
        accelerator: `auto`, `cpu`, `gpu`, as Lightning names them.
        precision: `32`, `bf16` or `16`; the latter two with weights in 32 bits.
        accumulate: batches whose gradients are added up before each step.
        workers: processes that load images, of each device.
        compile: whether the model is compiled.
    """

    devices: int = 1
    nodes: int = 1
    accelerator: str = "auto"
    precision: str = "32"
    accumulate: int = 1
    workers: int = 0
    compile: bool = False


class Result(NamedTuple):
    """What a training came to.

    Attributes:
        folder: where all of it is.
        history: what was measured, an entry for each epoch.
        resumed: the number of epochs that there were before.
    """

    folder: Path
    history: list[dict[str, float]]
    resumed: int


def train(
    spec: Spec,
    recipe: Recipe,
    folder: str | Path,
    data: str | None = None,
    *,
    hardware: Hardware = Hardware(),  # noqa: B008
    initialize: Callable[[VisionModel], Any] | None = None,
    callbacks: tuple[Callback, ...] = (),
    loggers: tuple[Logger, ...] = (),
) -> Result:
    """Trains a model; the same call again goes on where it stopped.

    Args:
        spec: of the model.
        recipe: how it is trained.
        folder: for weights, checkpoints, measures and the report.
        data: what it is trained on, in place of the recipe's `data`.
        hardware: what it runs on.
        initialize: fills the new model, with weights of another training, say.
        callbacks: of Lightning, which are told what happens.
        loggers: of Lightning, which get the measures.

    Raises:
        SpecError: the spec, the recipe and the data do not fit.
        TrainingError: the folder holds another training, or the loss is not finite.
    """
    folder = Path(folder)
    name = data or recipe.file.data
    if name is None:
        raise TrainingError(Problem("nothing says what to train on", hint="`--data digits`, or a folder of images"))
    splits = photos_for(spec, name, recipe.file.validation)
    objective = _objective(spec, recipe, initialize)
    objective.token_labels_of = token_labels_of(recipe, spec, splits.train)
    identity = _identity(spec, recipe, name)
    checkpoint = _checkpoint(folder, identity)
    history = checkpoint["vitdsl"]["history"] if checkpoint else []
    if len(history) >= recipe.file.epochs:
        return Result(folder, history, len(history))
    _begin(folder, identity, spec, recipe)
    with _quiet():
        trainer = _trainer(folder, recipe, hardware, (*callbacks, Keeper(folder, spec, recipe, name)), loggers)
    loaders = _loaders(splits, spec, recipe, hardware, trainer)
    file = recipe.file
    mixer = Mixer(file.mix, spec.model.classes, file.smoothing, file.seed, trainer.global_rank, objective.grid)
    training = Training(objective, mixer, len(loaders[0]) // hardware.accumulate)
    with _quiet():
        trainer.fit(training, *loaders, ckpt_path=folder / CHECKPOINT if checkpoint else None, weights_only=True)
    return Result(folder, training.history, len(history))


def _objective(spec: Spec, recipe: Recipe, initialize: Callable[[VisionModel], Any] | None) -> Objective:
    """The losses, with a new model whose weights follow from the recipe's seed."""
    refuse_optimizer(recipe)
    check_needs(recipe, spec)
    teachers = load_teachers(recipe, spec)
    with fixed_seed(seed_of(Purpose.WEIGHTS, recipe.file.seed)):
        objective = Objective(spec, recipe, teachers)
    if initialize is not None:
        initialize(objective.model)
    return objective


def _begin(folder: Path, identity: Mapping[str, Any], spec: Spec, recipe: Recipe) -> None:
    """Writes what the folder holds from the beginning."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "spec.yaml", spec.dump())
    write_text(folder / "recipe.yaml", recipe.dump())
    write_text(folder / IDENTITY, json.dumps(identity, indent=2) + "\n")


def _loaders(splits: Splits, spec: Spec, recipe: Recipe, hardware: Hardware, trainer: Trainer) -> tuple[Loader, Loader]:
    """What trains and what evaluates, of this process."""
    rank, ranks = trainer.global_rank, trainer.world_size
    options: dict[str, Any] = {"workers": hardware.workers, "rank": rank, "ranks": ranks}
    file = recipe.file
    part = file.replace(batch=file.batch // hardware.accumulate)
    train = training_loader(splits.train, spec, part, **options)
    return train, evaluation_loader(splits.validation, spec, -(-file.batch // ranks) * ranks, **options)


def _identity(spec: Spec, recipe: Recipe, data: str) -> dict[str, Any]:
    """What decides about the numbers of a training."""
    return {"vitdsl": __version__, "spec": spec.hash, "spec_name": spec.name, "data": data, "recipe": recipe.said}


def _checkpoint(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The checkpoint from which a training in this folder goes on; None: there is none.

    Raises:
        TrainingError: the folder holds another training, or something else.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return None
    if not (folder / IDENTITY).is_file():
        raise TrainingError(Problem(f"{folder} holds something else than a training", hint="name a new folder: `-o`"))
    before = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    differences = [*_differences(before, json.loads(json.dumps(identity)))]
    if differences:
        message = f"{folder} holds another training: {'; '.join(differences[:3])}"
        raise TrainingError(Problem(message, hint="name another folder (`-o`), or remove this one"))
    path = folder / CHECKPOINT
    return read_checkpoint(path) if path.is_file() else None


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Where two identities differ, in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif before != now and path != "vitdsl":
        yield f"`{path.removeprefix('recipe.')}` is {before} there, and {now} here"


def _trainer(
    folder: Path, recipe: Recipe, hardware: Hardware, callbacks: tuple[Callback, ...], loggers: tuple[Logger, ...]
) -> Trainer:
    several = hardware.devices * hardware.nodes > 1
    keep = ModelCheckpoint(
        folder, CHECKPOINT.removesuffix(".ckpt"), save_top_k=-1, every_n_epochs=1, save_on_train_epoch_end=True,
        enable_version_counter=False,
    )  # fmt: skip
    return Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        strategy="ddp" if several else "auto",
        precision={"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[hardware.precision],  # type: ignore[arg-type]
        max_epochs=recipe.file.epochs,
        accumulate_grad_batches=hardware.accumulate,
        check_val_every_n_epoch=recipe.file.evaluate_every,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=loggers or False,
        callbacks=[*callbacks, keep],
        plugins=[WholeFiles()],
        default_root_dir=folder,
    )


class Keeper(Checkpoint):
    """Writes what a user takes away, after each epoch: weights, measures, the report.

    As a `Checkpoint`, it is called once the module has noted the epoch, and before the checkpoint is written.
    """

    def __init__(self, folder: Path, spec: Spec, recipe: Recipe, data: str) -> None:
        self.folder, self.spec, self.recipe, self.data = folder, spec, recipe, data

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Writes the files; the checkpoint follows them."""
        if trainer.is_global_zero:
            history = pl_module.history
            self._write_weights("last", pl_module.model, history[-1])
            if pl_module.average is not None:
                self._write_weights("average", pl_module.average.module, history[-1])
            if is_best(history):
                self._write_weights("best", best_model(pl_module), history[-1])
            write_text(self.folder / HISTORY, table_of(history))
            write_report(self.folder, self.spec, self.recipe, history, self.data)

    def _write_weights(self, name: str, model: Any, measures: Mapping[str, float]) -> None:
        header = {
            "vitdsl.version": __version__, "torch.version": torch.__version__, "vitdsl.spec": self.spec.dump(),
            "vitdsl.recipe": self.recipe.dump(), "vitdsl.measures": json.dumps(dict(measures)),
        }  # fmt: skip
        write_weights(self.folder / f"{name}.safetensors", model.state_dict(), header)


def is_best(history: list[dict[str, float]]) -> bool:
    """Whether the last epoch is the best one so far."""
    return len(history) == 1 or accuracy_of(history[-1]) > max(map(accuracy_of, history[:-1]))


def best_model(training: Training) -> Any:
    """The model that is better now: with the averaged weights, or without."""
    entry = training.history[-1]
    better = entry.get("average_accuracy", UNKNOWN) > entry.get("accuracy", UNKNOWN)
    return training.average.module if better and training.average is not None else training.model


def table_of(history: list[dict[str, float]]) -> str:
    """The measures of all epochs as CSV."""
    names = list(dict.fromkeys(name for entry in history for name in entry))
    rows = [",".join(names), *(",".join(f"{entry[n]:.10g}" if n in entry else "" for n in names) for entry in history)]
    return "\n".join(rows) + "\n"


@contextmanager
def _quiet() -> Iterator[None]:
    """Within, Lightning does not say what a user of ours cannot change."""
    import logging

    logs = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    before = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.setLevel(level)
