"""A training from its beginning, or from where it stopped: the trainer, and what is left of it."""

from __future__ import annotations

import logging
import re
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from vitdsl.compiler.model import VisionModel
from vitdsl.errors import Problem
from vitdsl.spec import Spec
from vitdsl.training.checkpoints import WholeFiles
from vitdsl.training.data import Splits, photos_for
from vitdsl.training.draws import Purpose, fixed_seed, seed_of
from vitdsl.training.errors import TrainingError
from vitdsl.training.folder import CHECKPOINT, begin, identity_of, kept_in
from vitdsl.training.keeper import Keeper
from vitdsl.training.kinds import CrossEntropy
from vitdsl.training.label_file import token_labels_of
from vitdsl.training.loading import Corrupt, Loader, evaluation_loader, training_loader
from vitdsl.training.mixing import Mixer
from vitdsl.training.module import Training
from vitdsl.training.needs import head_outputs, training_outputs
from vitdsl.training.objective import Objective
from vitdsl.training.optimizer import refuse_optimizer
from vitdsl.training.recipe import Recipe
from vitdsl.training.teachers import load_teachers

PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
"""What each is called by Lightning."""
_LEFT = re.compile(r"closed by peer|connection reset|NCCL|broken pipe", re.I)
"""What torch's back ends say where another process is gone."""


class Hardware(NamedTuple):
    """What a training runs on.

    On several devices, and with `accumulate`, each part of a batch goes through the model by itself, and the gradients
    are those of the whole batch. Batch norms normalise each part by itself, so that a model with them trains somewhat
    differently; the running mean and variance that are kept are those of the first device.

    Attributes:
        devices: how many of one machine, or the numbers of those.
        nodes: machines.
        accelerator: `auto`, `cpu`, `gpu`, as Lightning names them.
        precision: `32`, `bf16` or `16`; the latter two with weights in 32 bits.
        accumulate: parts in which each device computes its share of a batch, one after another.
        workers: processes that load images, of each device.
    """

    devices: int | tuple[int, ...] = 1
    nodes: int = 1
    accelerator: str = "auto"
    precision: str = "32"
    accumulate: int = 1
    workers: int = 0

    @property
    def processes(self) -> int:
        """One for each device of each machine."""
        return self.nodes * (self.devices if isinstance(self.devices, int) else len(self.devices))


class Result(NamedTuple):
    """What a training came to.

    Attributes:
        folder: where all of it is.
        history: what was measured, an entry for each epoch.
        resumed: the number of epochs that there were before.
        notes: what a user should know of it, in sentences.
    """

    folder: Path
    history: list[dict[str, float]]
    resumed: int
    notes: tuple[str, ...] = ()


def train(
    spec: Spec,
    recipe: Recipe,
    folder: str | Path,
    data: str | None = None,
    *,
    until: int | None = None,
    hardware: Hardware = Hardware(),  # noqa: B008
    corrupt: Corrupt = "error",
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
        until: the epoch after which it stops, evaluated, to go on another time; None: the recipe's last.
        hardware: what it runs on.
        corrupt: what happens where a photo cannot be read: `error`, or `skip`: another one takes its place.
        initialize: changes the new model: fills it with weights of another training, say, or freezes parameters. It is
            called where a training goes on, too; the training's own weights then take the place of what it filled in.
        callbacks: of Lightning, which are told what happens.
        loggers: of Lightning, which get the measures of each epoch.

    Raises:
        SpecError: the spec, the recipe and the data do not fit.
        TrainingError: the folder holds another training, or the loss is not finite.
        InputError: a photo cannot be read, or the batch cannot be divided.
        CheckpointError: the folder's checkpoint is damaged.
        OSError: the folder cannot be written; what was there is as it was.
    """
    folder = Path(folder)
    name = data or recipe.file.data
    if name is None:
        raise TrainingError(
            Problem("nothing says what to train on", hint="`--data digits`, or a folder of images", code="E803")
        )
    identity = identity_of(spec, recipe, name)
    kept = kept_in(folder, identity)
    resumed = len(kept.history)
    epochs = recipe.file.epochs if until is None else min(until, recipe.file.epochs)
    if resumed >= epochs:
        return Result(folder, kept.history, resumed, (*kept.notes, *_skipped(kept.history)))
    splits = photos_for(spec, name, recipe.file.validation)
    objective = _objective(spec, recipe, initialize)
    objective.token_labels_of = token_labels_of(recipe, spec, splits.train)
    strategy = _strategy(spec, recipe, hardware)
    callbacks = (*callbacks, Keeper(folder, spec, recipe, name))
    trainer = _trainer(folder, recipe, epochs, hardware, strategy, callbacks, loggers)
    loaders = _loaders(splits, spec, recipe, hardware, trainer, corrupt)
    training = Training(objective, _mixer(objective, recipe, hardware, trainer), len(loaders[0]) // hardware.accumulate)
    if trainer.is_global_zero:
        begin(folder, identity, spec, recipe)
    _fit(trainer, training, loaders, kept.checkpoint)
    return Result(folder, training.history, resumed, (*kept.notes, *_skipped(training.history)))


def _objective(spec: Spec, recipe: Recipe, initialize: Callable[[VisionModel], Any] | None) -> Objective:
    """The losses, with a new model whose weights follow from the recipe's seed."""
    refuse_optimizer(recipe)
    with fixed_seed(seed_of(Purpose.WEIGHTS, recipe.file.seed)):
        objective = Objective(spec, recipe)
    objective.teachers = load_teachers(recipe, spec)
    if initialize is not None:
        initialize(objective.model)
    return objective


def _loaders(
    splits: Splits, spec: Spec, recipe: Recipe, hardware: Hardware, trainer: Trainer, corrupt: Corrupt
) -> tuple[Loader, Loader]:
    """What trains and what evaluates, of this process."""
    ranks = trainer.world_size
    options: dict[str, Any] = {
        "workers": hardware.workers, "rank": trainer.global_rank, "ranks": ranks, "corrupt": corrupt,
        "pin": trainer.strategy.root_device.type == "cuda",
    }  # fmt: skip
    train = training_loader(splits.train, spec, recipe.file, parts=hardware.accumulate, **options)
    return train, evaluation_loader(splits.validation, spec, -(-recipe.file.batch // ranks) * ranks, **options)


def _mixer(objective: Objective, recipe: Recipe, hardware: Hardware, trainer: Trainer) -> Mixer:
    """What mixes the images of this process."""
    file = recipe.file
    classes = objective.model.spec.model.classes
    mixer = Mixer(file.mix, classes, file.smoothing, file.seed, trainer.global_rank, objective.grid)
    mixer.check_rows(file.batch // hardware.accumulate // trainer.world_size)
    return mixer


def _skipped(history: list[dict[str, float]]) -> tuple[str, ...]:
    """Says how many photos could not be read."""
    count = history[-1].get("skipped", 0)
    return (f"{count:,.0f} photos could not be read, and were skipped",) if count else ()


# ---------------------------------------------------------------- Lightning


def _strategy(spec: Spec, recipe: Recipe, hardware: Hardware) -> str:
    """How processes train together; what no loss reads has parameters without gradients, which DDP must look for."""
    if hardware.processes == 1:
        return "auto"
    graph, losses = spec.graph(), recipe.file.losses.values()
    read = {name for loss in losses for name in loss.outputs_needed()}
    if any(isinstance(loss, CrossEntropy) and loss.output is None for loss in losses):
        read |= {*head_outputs(graph)}
    return "ddp_find_unused_parameters_true" if training_outputs(graph).keys() - read else "ddp"


def _trainer(
    folder: Path,
    recipe: Recipe,
    epochs: int,
    hardware: Hardware,
    strategy: str,
    callbacks: tuple[Callback, ...],
    loggers: tuple[Logger, ...],
) -> Trainer:
    """Lightning's trainer, which says nothing by itself.

    Raises:
        TrainingError: this machine has no such hardware.
    """
    if hardware.precision not in PRECISIONS:
        message = f"there is no precision `{hardware.precision}`"
        raise TrainingError(Problem(message, hint=f"known: {', '.join(PRECISIONS)}", code="E205"))
    keep = ModelCheckpoint(
        folder, CHECKPOINT.removesuffix(".ckpt"), save_top_k=-1, every_n_epochs=1, save_on_train_epoch_end=True,
        enable_version_counter=False,
    )  # fmt: skip
    try:
        with quiet():
            return Trainer(
                accelerator=hardware.accelerator,
                devices=hardware.devices if isinstance(hardware.devices, int) else [*hardware.devices],
                num_nodes=hardware.nodes,
                strategy=strategy,
                precision=PRECISIONS[hardware.precision],
                max_epochs=epochs,
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
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        message = f"this machine does not train so: {error}"
        raise TrainingError(
            Problem(message, hint="other `--device`, `--devices` or `--precision`", code="E815")
        ) from error


def _fit(trainer: Trainer, training: Training, loaders: tuple[Loader, Loader], checkpoint: Path | None) -> None:
    """Trains; Ctrl-C is a KeyboardInterrupt again, which Lightning turns into the exit code 1."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        with quiet():
            trainer.fit(training, *loaders, ckpt_path=checkpoint, weights_only=True)
    except RuntimeError as error:
        if trainer.world_size > 1 and _LEFT.search(str(error)):
            raise TrainingError(
                "another process of this training ended; what it said tells why", code="E818"
            ) from error
        raise
    except SIGTERMException:
        raise SystemExit(128 + signal.SIGTERM) from None
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


@contextmanager
def quiet() -> Iterator[None]:
    """Within, Lightning does not say what a user of ours cannot change."""
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
