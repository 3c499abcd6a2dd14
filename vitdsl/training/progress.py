"""What a training says while it runs: a bar on a terminal, else a line for each epoch and for each half minute."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vitdsl.errors import printable
from vitdsl.training.folder import AVERAGE, BEST, CHECKPOINT, LAST
from vitdsl.training.history import UNKNOWN, Entry, accuracy_of, best_of
from vitdsl.units import format_clock

if TYPE_CHECKING:
    from torch import Tensor

LOOK, SPEAK = 0.5, 30.0
"""Seconds from one picture of the bar to the next, and from line to line where there is no bar."""
BAR = 30
FILES = (BEST, AVERAGE, LAST, CHECKPOINT, "history.csv", "curve.svg", "report.html")
"""What may be in the folder of a training, what is wanted most first."""


class Progress(Callback):
    """Shows a training while it runs, and says at its end where the files are and how to go on.

    It reads the loss when it shows it and not at each step, as an accelerator would have to be waited for.
    """

    def __init__(self, console: Console | None = None, now: Callable[[], float] = time.monotonic) -> None:
        """Shows nothing yet.

        Args:
            console: where it is shown; by default stderr.
            now: gives the time in seconds.
        """
        self.console, self.now = console or Console(stderr=True), now
        self._live: Live | None = None
        self._began = self._epoch_began = self._looked = self._spoke = 0.0
        self._resumed = self._told = self._done = self._evaluated = 0
        self._evaluating = self._started = False
        self._restart()

    def _restart(self) -> None:
        """Begins to count an epoch."""
        self._batches = self._images = 0
        self._sum: Tensor | float = 0.0
        self._epoch_began = self.now()

    # ------------------------------------------------------------ hooks

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Says what is trained, on what, and from where on."""
        self._started, self._resumed = True, len(pl_module.history)
        self._told = self._resumed
        self._began, self._done = self.now(), 0
        self._restart()
        self._say(trainer, start_line(trainer, pl_module))
        if trainer.is_global_zero and self.console.is_terminal and not self.console.is_dumb_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=True, redirect_stdout=False)
            self._live.start()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Says what the epoch before came to: the module has noted it by now."""
        self._restart()
        self._tell(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Counts; nothing is read from an accelerator."""
        self._batches, self._done = self._batches + 1, self._done + 1
        self._images += len(batch.labels)
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if loss is not None:
            self._sum = loss.detach() + self._sum
        self._tick(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Begins to count the batches that evaluate."""
        self._evaluating, self._evaluated = True, 0

    def on_validation_batch_end(self, trainer: Trainer, pl_module: Any, *batch: Any, **more: Any) -> None:
        """Counts them."""
        self._evaluated += 1
        self._tick(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Training goes on."""
        self._evaluating = False

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Says what the training came to, and where the files are."""
        self._stop()
        self._tell(trainer, pl_module)
        self._say(trainer, end_text(pl_module.history, Path(trainer.default_root_dir), self.now() - self._began))

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        """Says how to go on, where a user or the system stopped it; an error speaks for itself."""
        self._stop()
        stopped = isinstance(exception, (KeyboardInterrupt, SystemExit))
        if self._started:
            self._tell(trainer, pl_module)
        elif stopped:
            self._say(trainer, "stopped before the first step; the same command again begins, or goes on")
        if self._started and stopped:
            epochs = pl_module.recipe.file.epochs
            self._say(trainer, stop_text(pl_module.history, epochs, Path(trainer.default_root_dir)))

    # ------------------------------------------------------------ output

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _say(self, trainer: Trainer, text: str) -> None:
        """Prints lines, above the bar where there is one."""
        if trainer.is_global_zero:
            for line in text.split("\n"):
                self.console.print(Text(printable(line)), soft_wrap=True, highlight=False)
            self._spoke = self.now()

    def _tell(self, trainer: Trainer, pl_module: Any) -> None:
        """Says what is new in the history."""
        history, epochs = pl_module.history, pl_module.recipe.file.epochs
        for number in range(self._told, len(history)):
            line = epoch_line(history[: number + 1], epochs)
            if number == len(history) - 1 < epochs - 1:
                line += self._left(trainer, pl_module)
            self._say(trainer, line)
        self._told = len(history)

    def _tick(self, trainer: Trainer, pl_module: Any) -> None:
        """Shows how far the epoch is, where it was not shown a moment ago."""
        now = self.now()
        if not trainer.is_global_zero:
            return
        if self._live is not None and now - self._looked >= LOOK:
            self._looked = now
            self._live.update(self._table(trainer, pl_module), refresh=True)
        elif self._live is None and now - self._spoke >= SPEAK:
            done, total = self._steps(trainer, pl_module)
            what = "evaluates, batch" if self._evaluating else "step"
            words = [f"epoch {self._epoch(pl_module)}", f"{what} {done:,}/{total:,}", *self._now(trainer)]
            self._say(trainer, "  ".join(words) + self._left(trainer, pl_module))

    def _table(self, trainer: Trainer, pl_module: Any) -> Group:
        """The bar, and below it what is known."""
        done, total = self._steps(trainer, pl_module)
        head = Table.grid(padding=(0, 2))
        what = "evaluates" if self._evaluating else f"epoch {self._epoch(pl_module)}"
        bar = ProgressBar(total=max(1, total), completed=min(done, total), width=BAR)
        head.add_row(Text(what, style="bold", no_wrap=True), bar, Text(f"{done:,}/{total:,}", no_wrap=True))
        words = "  ".join(self._now(trainer))
        best = best_of(pl_module.history)
        if best is not None:
            words += f"  best accuracy {100 * accuracy_of(best):.2f}%"
        words += self._left(trainer, pl_module)
        return Group(head, Text(printable(words), no_wrap=True, overflow="ellipsis"))

    # ------------------------------------------------------------ numbers

    def _epoch(self, pl_module: Any) -> str:
        return f"{len(pl_module.history) + 1}/{pl_module.recipe.file.epochs}"

    def _steps(self, trainer: Trainer, pl_module: Any) -> tuple[int, int]:
        """How many steps of the epoch, or batches of its evaluation, are done, and how many there are."""
        if self._evaluating:
            return self._evaluated, int(sum(trainer.num_val_batches))
        return -(-self._batches // trainer.accumulate_grad_batches), pl_module.steps_per_epoch

    def _now(self, trainer: Trainer) -> list[str]:
        """The mean loss of the epoch so far, and its speed; this waits for an accelerator."""
        if not self._batches:
            return []
        loss = float(self._sum) * trainer.accumulate_grad_batches / self._batches
        words = [f"loss {loss:.4g}"]
        if not self._evaluating:
            seconds = max(1e-9, self.now() - self._epoch_began)
            words.append(f"{self._images * trainer.world_size / seconds:,.0f} images/s")
        return words

    def _left(self, trainer: Trainer, pl_module: Any) -> str:
        """The time that the rest takes, evaluations included, if it goes on as before."""
        each = pl_module.steps_per_epoch * trainer.accumulate_grad_batches
        left = each * (pl_module.recipe.file.epochs - self._resumed) - self._done
        if not self._done or left < 0:
            return ""
        return f"  {format_clock((self.now() - self._began) / self._done * left)} left"


# ---------------------------------------------------------------- lines


def start_line(trainer: Trainer, pl_module: Any) -> str:
    """What is trained, on what, and from where on."""
    model, file, steps = pl_module.model, pl_module.recipe.file, pl_module.steps_per_epoch
    params = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    words = [
        f"{params:,} parameters", f"{steps * file.batch:,} images an epoch", f"{model.spec.model.classes:,} classes",
        f"batches of {file.batch:,}", f"{steps:,} steps an epoch", f"{file.epochs:,} epochs",
        _device(trainer, pl_module),
    ]  # fmt: skip
    resumed = len(pl_module.history)
    begins = f"; goes on after epoch {resumed:,}" if resumed else ""
    return f"{model.spec.name} · {pl_module.recipe.name}: {', '.join(words)}{begins}"


def epoch_line(history: Sequence[Entry], epochs: int) -> str:
    """What the last epoch came to."""
    entry = history[-1]
    words = [f"epoch {len(history)}/{epochs}", f"loss {entry.get('loss', math.nan):.4g}"]
    for name, what in (("accuracy", "accuracy"), ("average_accuracy", "averaged")):
        if name in entry:
            words.append(f"{what} {100 * entry[name]:.2f}%")
    if accuracy_of(entry) != UNKNOWN and best_of(history) is entry:
        words.append("(best so far)")
    if "images_per_second" in entry:
        words.append(f"{entry['images_per_second']:,.0f} images/s")
    return "  ".join(words)


def end_text(history: Sequence[Entry], folder: Path, seconds: float) -> str:
    """What the training came to, where its files are, and what can be done with them."""
    best = best_of(history)
    found = "" if best is None else (
        f"; best accuracy {100 * accuracy_of(best):.2f}%, after epoch {best.get('epoch', len(history)):.0f}"
    )  # fmt: skip
    files = ", ".join(name for name in FILES if (folder / name).is_file())
    lines = [f"trained for {len(history):,} epochs, in {format_clock(seconds)} this time{found}"]
    lines += [f"in {folder}: {files}"] if files else [f"in {folder}"]
    spec, weights = (shlex.quote(str(folder / name)) for name in ("spec.yaml", FILES[0]))
    return "\n".join([*lines, f"vitdsl eval {spec} --weights {weights} --data DATA"])


def stop_text(history: Sequence[Entry], epochs: int, folder: Path) -> str:
    """Where the training stopped, what is kept, and how to go on."""
    done = len(history)
    if not done:
        return f"stopped in epoch 1 of {epochs:,}: nothing is kept yet, and the same command begins again"
    kept = f"epoch {done:,} of {epochs:,} is kept in {folder}"
    return f"stopped: {kept}\nthe same command again goes on with epoch {min(done + 1, epochs):,}"


def _device(trainer: Trainer, pl_module: Any) -> str:
    device = pl_module.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    count = f"{trainer.world_size} × " if trainer.world_size > 1 else ""
    precision = "" if str(trainer.precision).startswith("32") else f" ({trainer.precision})"
    return f"on {count}{name}{precision}"
