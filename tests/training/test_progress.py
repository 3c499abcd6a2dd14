"""What a training says: one line an epoch, never what a terminal obeys, and how to go on; it reads losses rarely."""

import io
import os
import re
import signal
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from tests.training.histories import history_of, recipe_of
from vitdsl.training.progress import LOOK, SPEAK, Progress, end_text, epoch_line, start_line, stop_text

pytestmark = pytest.mark.filterwarnings(r"ignore:::lightning\..*")
EVIL = "\x1b]0;title\x07[red]\u202e:smile:"


class Batch(NamedTuple):
    images: torch.Tensor
    labels: torch.Tensor


class Model(torch.nn.Linear):
    def __init__(self, name):
        super().__init__(4, 3)
        torch.nn.init.zeros_(self.weight)
        torch.nn.init.zeros_(self.bias)
        self.spec = SimpleNamespace(name=name, model=SimpleNamespace(classes=3))


class Module(LightningModule):
    """A training that notes its epochs as trainings do."""

    def __init__(self, epochs=2, name="tiny"):
        super().__init__()
        self.model, self.recipe, self.steps_per_epoch = Model(name), recipe_of(epochs=epochs, name="quick"), 3
        self.history = []

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.model(batch.images), batch.labels)

    def validation_step(self, batch, batch_idx):
        pass

    def on_train_epoch_end(self):
        self.history.append(history_of(self.current_epoch + 1)[-1])

    def on_save_checkpoint(self, checkpoint):
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint):
        self.history = checkpoint["history"]


class Clock:
    """Each look at it takes some seconds."""

    def __init__(self, step):
        self.time, self.step = 0.0, step

    def __call__(self):
        self.time += self.step
        return self.time


@pytest.fixture(autouse=True)
def _silent(monkeypatch, caplog):
    caplog.set_level("ERROR", "lightning.pytorch")


def loader(count=24):
    batch = Batch(torch.zeros(8, 4), torch.zeros(8, dtype=torch.long))
    rows = [(batch.images[0], batch.labels[0])] * count
    return torch.utils.data.DataLoader(rows, 8, collate_fn=lambda _: batch)


def run(folder, module, progress, *callbacks, checkpoint=None, **options):
    trainer = Trainer(
        accelerator="cpu", max_epochs=module.recipe.file.epochs, callbacks=[progress, *callbacks], logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=0,
        default_root_dir=folder, **options,
    )  # fmt: skip
    trainer.fit(module, loader(), loader(16), ckpt_path=checkpoint, weights_only=checkpoint is not None or None)
    return trainer


def shown(terminal=False, width=100):
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, _environ={})


def text_of(progress):
    return progress.console.file.getvalue()


def test_a_log_has_a_line_for_each_epoch(tmp_path):
    (tmp_path / "best.safetensors").touch()
    progress = Progress(shown())
    run(tmp_path, Module(), progress)
    lines = text_of(progress).splitlines()
    assert lines[0] == (
        "tiny · quick: 15 parameters, 24 images an epoch, 3 classes, batches of 8, 3 steps an epoch, 2 epochs, on cpu"
    )
    assert re.fullmatch(
        r"epoch 1/2  loss 0\.\d+  accuracy .*%  \(best so far\)  1,234 images/s  0:00:\d\d left", lines[1]
    )
    assert re.fullmatch(r"epoch 2/2  loss 0\.\d+  accuracy .*%  1,234 images/s", lines[2])
    assert lines[3].startswith("trained for 2 epochs, in 0:00:")
    assert lines[4:] == [
        f"in {tmp_path}: best.safetensors",
        f"vitdsl eval {tmp_path}/spec.yaml --weights {tmp_path}/best.safetensors --data DATA",
    ]


def test_a_long_epoch_speaks_each_half_minute(tmp_path):
    progress = Progress(shown(), Clock(SPEAK))
    run(tmp_path, Module(1), progress)
    lines = text_of(progress).splitlines()
    assert [line.split("  ")[:2] for line in lines[1:6]] == [
        *(["epoch 1/1", f"step {n}/3"] for n in (1, 2, 3)), *(["epoch 1/1", f"evaluates, batch {n}/2"] for n in (1, 2)),
    ]  # fmt: skip
    assert "loss 1." in lines[1]
    assert "images/s" in lines[1]
    assert lines[1].endswith("left")


def test_a_terminal_has_a_bar(tmp_path):
    progress = Progress(shown(terminal=True), Clock(LOOK))
    run(tmp_path, Module(), progress)
    text = text_of(progress)
    for found in ("epoch 1/2", "1/3", "2/3", "evaluates", "━", "best accuracy", "images/s", "left", "trained for 2"):
        assert found in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back


def test_lines_fit_a_narrow_terminal(tmp_path):
    progress = Progress(shown(terminal=True, width=40), Clock(LOOK))
    run(tmp_path, Module(), progress)
    table = progress._table(SimpleNamespace(accumulate_grad_batches=1, world_size=1), Module())
    with progress.console.capture() as captured:
        progress.console.print(table)
    lines = captured.get().splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 40


class Stop(Callback):
    def __init__(self, epoch, error=None):
        self.epoch, self.error = epoch, error

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 1:
            if self.error is not None:
                raise self.error
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def _interruptible():
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(("epoch", "said"), [
    (0, "stopped in epoch 1 of 3: nothing is kept yet, and the same command begins again\n"),
    (1, "stopped: epoch 1 of 3 is kept in FOLDER\nthe same command again goes on with epoch 2\n"),
])  # fmt: skip
def test_an_interrupt_says_how_to_go_on(tmp_path, terminal, epoch, said):
    progress = Progress(shown(terminal, width=300))
    with pytest.raises(SystemExit):
        run(tmp_path, Module(3), progress, Stop(epoch))
    assert text_of(progress).endswith(said.replace("FOLDER", str(tmp_path)))
    assert progress._live is None


def test_an_interrupt_before_the_first_step():
    progress = Progress(shown())
    progress.on_exception(SimpleNamespace(is_global_zero=True), Module(), KeyboardInterrupt())
    assert text_of(progress) == "stopped before the first step; the same command again begins, or goes on\n"


def test_an_error_speaks_for_itself(tmp_path):
    progress = Progress(shown(terminal=True))
    with pytest.raises(ValueError, match="x"):
        run(tmp_path, Module(), progress, Stop(1, ValueError("x")))
    assert "stopped" not in text_of(progress)
    assert "epoch 1/2  loss" in text_of(progress)
    assert progress._live is None


def test_a_training_goes_on(tmp_path):
    trainer = run(tmp_path, Module(1), Progress(shown()))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    progress = Progress(shown(), Clock(1.0))
    run(tmp_path, Module(3), progress, checkpoint=tmp_path / "a.ckpt")
    lines = text_of(progress).splitlines()
    assert lines[0].endswith("; goes on after epoch 1")
    assert [line.split("  ")[0] for line in lines[1:3]] == ["epoch 2/3", "epoch 3/3"]


class Loss:
    """A loss that counts how often it is read, as an accelerator would have to be waited for."""

    read = 0

    def detach(self):
        return self

    def __add__(self, other):
        return self

    def __float__(self):
        Loss.read += 1
        return 1.0


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_losses_are_read_rarely(terminal, first):
    Loss.read = 0
    clock = Clock(0.0)
    progress = Progress(shown(terminal), clock)
    trainer = SimpleNamespace(
        is_global_zero=first, accumulate_grad_batches=1, world_size=2, train_dataloader=None, precision="32-true"
    )
    module = Module()
    progress.on_train_start(trainer, module)
    batch = Batch(torch.zeros(8, 4), torch.zeros(8))
    for number in range(60_00):
        clock.time += 0.01
        progress.on_train_batch_end(trainer, module, {"loss": Loss()}, batch, number)
    progress._stop()
    seconds = 60
    assert Loss.read <= (seconds / LOOK if terminal else seconds / SPEAK)
    assert bool(Loss.read) == first
    assert bool(text_of(progress)) == first


@pytest.mark.parametrize("terminal", [False, True])
def test_a_terminal_does_not_obey_names(tmp_path, terminal):
    folder = tmp_path / "a\x1b[2Jb"
    folder.mkdir()
    module = Module(name=EVIL)
    module.recipe.name = EVIL
    progress = Progress(shown(terminal, width=400), Clock(LOOK))
    run(folder, module, progress)
    text = text_of(progress)
    assert "\x1b]0" not in text
    assert "\x1b[2J" not in text
    assert "\\x1b]0;title\\x07[red]\\u202e:smile: · " in text
    assert "a\\x1b[2Jb" in text
    if not terminal:
        assert text.replace("\n", "").isprintable()


def test_output_goes_to_stderr():
    assert Progress().console.stderr


def test_an_epoch_without_evaluation():
    history = history_of(3, every=2)
    assert "accuracy" not in epoch_line(history, 9)
    assert "(best so far)" in epoch_line(history[:2], 9)
    assert "averaged 9" in epoch_line([{"loss": 1.0, "average_accuracy": 0.9}], 9)
    assert epoch_line([{"loss": float("nan")}], 9) == "epoch 1/9  loss nan"


def test_the_start_says_the_devices():
    trainer = SimpleNamespace(train_dataloader=None, world_size=2, precision="bf16-mixed")
    assert start_line(trainer, Module()).endswith("24 images an epoch, 3 classes, batches of 8, 3 steps an "
                                                  "epoch, 2 epochs, on 2 × cpu (bf16-mixed)")  # fmt: skip


def test_what_is_said_at_the_end(tmp_path):
    assert end_text([], tmp_path, 1.0).splitlines()[:2] == [
        "trained for 0 epochs, in 0:00:01 this time",
        f"in {tmp_path}",
    ]
    assert "best accuracy 88.53%, after epoch 5" in end_text(history_of(5), tmp_path, 1.0)
    assert "'" in end_text([], tmp_path / "with space", 1.0)
    assert stop_text(history_of(3), 3, tmp_path).endswith("goes on with epoch 3")
