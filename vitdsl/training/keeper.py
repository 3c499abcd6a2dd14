"""What a user takes away of a training, written after each epoch: weights, measures, the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import nn

from vitdsl import __version__
from vitdsl.checkpoints.files import SPEC_TEXT, write_weights
from vitdsl.resolve.files import write_text
from vitdsl.spec import Spec
from vitdsl.training.folder import AVERAGE, BEST, LAST
from vitdsl.training.history import UNKNOWN, Entry, best_of
from vitdsl.training.recipe import Recipe
from vitdsl.training.report import write_report

if TYPE_CHECKING:
    from vitdsl.training.module import Training

HISTORY = "history.csv"


class Keeper(Checkpoint):
    """Writes what a user takes away, after each epoch: weights, measures, the report.

    As a `Checkpoint`, it is called once the module has noted the epoch, and before the checkpoint is written.
    """

    def __init__(self, folder: Path, spec: Spec, recipe: Recipe, data: str) -> None:
        self.folder, self.spec, self.recipe, self.data = folder, spec, recipe, data

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Writes the files and tells the loggers; the checkpoint follows them."""
        history = pl_module.history
        for logger in trainer.loggers:
            logger.log_metrics(dict(history[-1]), step=int(history[-1]["step"]))
            logger.save()
        if trainer.is_global_zero:
            self._write_weights(LAST, pl_module.model, history[-1])
            if pl_module.average is not None:
                self._write_weights(AVERAGE, pl_module.average.module, history[-1])
            if is_best(history):
                self._write_weights(BEST, best_model(pl_module), history[-1])
            write_text(self.folder / HISTORY, table_of(history))
            write_report(self.folder, self.spec, self.recipe, history, self.data)

    def _write_weights(self, name: str, model: nn.Module, measures: Entry) -> None:
        header = {
            "vitdsl.version": __version__, "torch.version": torch.__version__, SPEC_TEXT: self.spec.dump(),
            "vitdsl.recipe": self.recipe.dump(), "vitdsl.measures": json.dumps(dict(measures)),
        }  # fmt: skip
        write_weights(self.folder / name, model.state_dict(), header)


def is_best(history: Sequence[Entry]) -> bool:
    """Whether the last epoch is the best one so far."""
    return len(history) == 1 or best_of(history) is history[-1]


def best_model(training: Training) -> nn.Module:
    """The model that is better now: with the averaged weights, or without."""
    entry = training.history[-1]
    better = entry.get("average_accuracy", UNKNOWN) > entry.get("accuracy", UNKNOWN)
    return training.average.module if better and training.average is not None else training.model


def table_of(history: Sequence[Entry]) -> str:
    """The measures of all epochs as CSV; where one was not taken, nothing stands."""
    names = list(dict.fromkeys(name for entry in history for name in entry))
    rows = [",".join(names), *(",".join(f"{entry[n]:.10g}" if n in entry else "" for n in names) for entry in history)]
    return "\n".join(rows) + "\n"
