"""A training from its beginning to its files; the same again, whatever loads images; and what it refuses."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from tests.training.small_runs import (
    CPU,
    PLAIN,
    SPEC,
    assert_equal,
    digits_in,
    flat,
    recipe_of,
    run,
    spec_of,
    table,
    timeless,
    weights,
)
from vitdsl.checkpoints.files import read_metadata, read_weights
from vitdsl.errors import CheckpointError, InputError, SpecError
from vitdsl.spec import load
from vitdsl.training.checkpoints import read_checkpoint
from vitdsl.training.errors import TrainingError
from vitdsl.training.optimizer import learning_rate
from vitdsl.training.recipe import load_recipe
from vitdsl.training.run import Hardware, Result

pytestmark = pytest.mark.usefixtures("one_thread")


class Stops(Callback):
    """Raises something in a step."""

    def __init__(self, epoch: int, step: int = 1, error: BaseException | None = None) -> None:
        self.epoch, self.step, self.error = epoch, step, error or RuntimeError("stopped")

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == (self.epoch, self.step):
            raise self.error


class Rates(Callback):
    """Notes the learning rate of each step of the optimizer."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self.found.append(optimizer.param_groups[0]["lr"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, digits: str) -> tuple[Path, Result]:
    """A training of three epochs that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    result = run(folder, digits, recipe=recipe_of(epochs=3))
    torch.set_num_threads(before)
    return folder, result


# ---------------------------------------------------------------- what comes of it


def test_files(whole):
    folder, result = whole
    assert {path.name for path in folder.iterdir()} == {
        "best.safetensors", "last.safetensors", "average.safetensors", "last.ckpt", "history.csv", "curve.svg",
        "report.html", "run.json", "spec.yaml", "recipe.yaml",
    }  # fmt: skip
    assert result.resumed == 0
    assert not result.notes
    for name in ("best", "last", "average"):
        header = read_metadata(folder / f"{name}.safetensors")
        assert load(header["vitdsl.spec"]).hash == spec_of().hash
        assert load_recipe(header["vitdsl.recipe"]).said == recipe_of(epochs=3).said
        assert "accuracy" in json.loads(header["vitdsl.measures"])
    model = read_checkpoint(folder / "last.ckpt")["state_dict"]
    assert all(torch.equal(value, model[f"model.{key}"]) for key, value in weights(folder, "last").items())
    assert all(torch.equal(value, model[f"average.module.{key}"]) for key, value in weights(folder, "average").items())


def test_history(whole):
    folder, result = whole
    history = result.history
    assert [(entry["epoch"], entry["step"]) for entry in history] == [(1, 5), (2, 10), (3, 15)]
    assert [entry["learning_rate"] for entry in history] == [
        learning_rate(recipe_of(epochs=3), step, 5, 16) for step in (4, 9, 14)
    ]
    assert sorted(entry["seconds"] for entry in history) == [entry["seconds"] for entry in history]
    for entry in history:
        for name in ("accuracy", "average_accuracy", "accuracy_5"):
            assert entry[name] * 30 == pytest.approx(round(entry[name] * 30))
    assert len(table(folder)) == 4


def test_learning_rates(tmp_path, digits):
    rates = Rates()
    run(tmp_path, digits, callbacks=(rates,))
    assert rates.found == [learning_rate(recipe_of(), step, 5, 16) for step in range(10)]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_again(whole, tmp_path, digits, workers):
    torch.manual_seed(workers + 7)
    run(tmp_path, digits, recipe=recipe_of(epochs=3), hardware=CPU._replace(workers=workers))
    assert_equal(whole[0], tmp_path)


def test_another_seed_is_another_training(whole, tmp_path, digits):
    result = run(tmp_path, digits, recipe=recipe_of(epochs=3, seed=1))
    assert all(one != two for one, two in zip(timeless(result.history), timeless(whole[1].history), strict=True))


def test_what_is_complete_stays_as_it_is(whole, digits):
    folder, result = whole
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    again = run(folder, digits, recipe=recipe_of(epochs=3))
    assert (again.resumed, again.history) == (3, result.history)
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before


def test_weights_to_begin_with(tmp_path, digits):
    def zero(model):
        for parameter in model.parameters():
            torch.nn.init.zeros_(parameter)

    slow = recipe_of(epochs=1, schedule={}, optimizer={"type": "sgd", "learning_rate": 1e-30})
    run(tmp_path, digits, recipe=slow, initialize=zero)
    assert max(float(value.abs().max()) for value in weights(tmp_path, "last").values()) < 1e-20


def test_the_last_epoch_is_evaluated_in_any_case(tmp_path, digits):
    result = run(tmp_path, digits, recipe=recipe_of(epochs=3, evaluate_every=2))
    assert ["accuracy" in entry for entry in result.history] == [False, True, True]
    assert table(tmp_path)[1].endswith(",,,,,,")


# ---------------------------------------------------------------- where it stopped


@pytest.mark.parametrize(("epoch", "step"), [(0, 3), (1, 0), (2, 4)])
def test_resumed(whole, tmp_path, digits, epoch, step):
    recipe = recipe_of(epochs=3)
    with pytest.raises(RuntimeError, match="stopped"):
        run(tmp_path, digits, recipe=recipe, callbacks=(Stops(epoch, step),))
    torch.manual_seed(5)
    rates = Rates()
    result = run(tmp_path, digits, recipe=recipe, callbacks=(rates,), initialize=lambda model: model.apply(_spoil))
    assert result.resumed == epoch or epoch == 0
    if epoch:
        assert_equal(whole[0], tmp_path)
    assert rates.found == [learning_rate(recipe, number, 5, 16) for number in range(5 * epoch, 15)]


def test_what_was_frozen_stays_so_when_a_training_goes_on(tmp_path, digits):
    def freeze(model):
        model.get_submodule("stages.0").requires_grad_(False)

    recipe = recipe_of(epochs=2)
    run(tmp_path, digits, recipe=recipe, until=1, initialize=freeze)
    before = read_weights(tmp_path / "last.safetensors").tensors
    assert run(tmp_path, digits, recipe=recipe, initialize=freeze).resumed == 1
    after = read_weights(tmp_path / "last.safetensors").tensors
    moved = {key.partition(".")[0] for key, tensor in after.items() if not torch.equal(tensor, before[key])}
    assert moved == {"head"}


def _spoil(module: torch.nn.Module) -> None:
    """What a checkpoint replaces."""
    for parameter in module.parameters(recurse=False):
        torch.nn.init.constant_(parameter, 0.5)


def test_ctrl_c(tmp_path, digits):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, digits, callbacks=(Stops(1, 2, KeyboardInterrupt()),))
    assert signal.getsignal(signal.SIGINT) is handler
    assert run(tmp_path, digits).resumed == 1


def test_sigterm(tmp_path, digits):
    class Ends(Callback):
        def on_train_batch_start(self, trainer, *more):
            if trainer.current_epoch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped:
        run(tmp_path, digits, callbacks=(Ends(),))
    assert stopped.value.code == 143
    assert run(tmp_path, digits).resumed == 1


# ---------------------------------------------------------------- parts of a batch


def test_parts_of_a_batch_train_as_the_whole(tmp_path, digits):
    still = spec_of(SPEC.replace(", drop_path: 0.2", ""))
    recipe = recipe_of(**PLAIN, epochs=2, batch=24)  # 80 photos: three batches, and 8 photos that are left out
    found = []
    for parts in (1, 3):
        rates = Rates()
        folder = tmp_path / str(parts)
        result = run(folder, digits, still, recipe, hardware=CPU._replace(accumulate=parts), callbacks=(rates,))
        found.append((result.history, rates.found, weights(folder, "last"), weights(folder, "average")))
    (whole, rates, last, average), (parted, same_rates, parted_last, parted_average) = found
    assert rates == same_rates
    assert len(rates) == 6
    assert [entry["step"] for entry in whole] == [entry["step"] for entry in parted] == [3, 6]
    for key in last:
        torch.testing.assert_close(last[key], parted_last[key], rtol=1e-3, atol=2e-5)
        torch.testing.assert_close(average[key], parted_average[key], rtol=1e-3, atol=2e-5)
    for one, two in zip(whole, parted, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-4)
        assert one["accuracy"] == pytest.approx(two["accuracy"], abs=0.04)


# ---------------------------------------------------------------- refusals


def refused(error: type[Exception], *words: str):
    return pytest.raises(error, match=r"[\s\S]*".join(words))


def test_no_data(tmp_path):
    with refused(TrainingError, "nothing says what to train on"):
        run(tmp_path / "o", "")
    with refused(SpecError, "there is no data set `nowhere`"):
        run(tmp_path / "o", "nowhere")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("edits", "hardware", "words"),
    [
        ({"batch": 96}, CPU, "a batch has 96 images, but an epoch has only 80"),
        ({"batch": 16}, CPU._replace(accumulate=3), "16 images cannot be divided equally into 3 parts"),
        ({"batch": 16}, CPU._replace(accumulate=3, devices=2), "divided equally among 2 processes and into 3 parts"),
        ({"batch": 15}, CPU, "mixes an even number of images, but a process has 15"),
        ({"batch": 18}, CPU._replace(accumulate=2), "mixes an even number of images, but a process has 9"),
        ({"optimizer": {"type": "adamv", "learning_rate": 1}}, CPU, "there is no optimizer `adamv`"),
        ({}, CPU._replace(precision="8"), "there is no precision `8`"),
        ({}, CPU._replace(accelerator="abacus"), "this machine does not train so"),
        ({}, Hardware(accelerator="gpu"), "this machine does not train so"),
    ],
)
def test_what_does_not_fit_leaves_nothing(tmp_path, digits, edits, hardware, words):
    if hardware.accelerator == "gpu" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with refused(InputError, words):
        run(tmp_path / "o", digits, recipe=recipe_of(**edits), hardware=hardware)
    assert not (tmp_path / "o").exists()


def test_other_classes(tmp_path, digits):
    with refused(SpecError, "10 classes, but the spec has 7"):
        run(tmp_path / "o", digits, spec_of(classes=7))


def test_photos_that_cannot_be_read(tmp_path):
    data = digits_in(tmp_path / "data", each=4, held=2)
    for name in ("train/3/01.png", "train/7/00.png", "val/2/01.png"):
        (Path(data) / name).write_bytes(b"\x89PNG no more")
    with refused(InputError, r"\d\.png cannot be read", "--corrupt skip"):
        run(tmp_path / "o", data)
    result = run(tmp_path / "o", data, corrupt="skip")
    assert result.notes == ("3 photos could not be read, and were skipped",)
    assert [entry["skipped"] for entry in result.history] == [3, 3]
    assert result.history[0]["accuracy"] * 19 == pytest.approx(round(result.history[0]["accuracy"] * 19))
    assert "skipped" in table(tmp_path / "o")[0].split(",")
    assert run(tmp_path / "o", data, corrupt="skip").notes == result.notes


def test_skipped_photos_are_counted_once_where_it_is_resumed(tmp_path):
    data = digits_in(tmp_path / "data", each=4, held=2)
    (Path(data) / "train/3/01.png").write_bytes(b"")
    with pytest.raises(RuntimeError):
        run(tmp_path / "o", data, corrupt="skip", callbacks=(Stops(1),))
    assert [entry["skipped"] for entry in run(tmp_path / "o", data, corrupt="skip").history] == [1, 1]


def test_a_loss_that_is_not_finite(tmp_path, digits):
    recipe = recipe_of(clip=None, schedule={}, optimizer={"type": "sgd", "learning_rate": 1e30})
    said = "`losses.labels` is nan at step 2, in epoch 1; the learning rate there is 9.76e.29"
    with refused(TrainingError, said, "a lower `optimizer.learning_rate`"):
        run(tmp_path, digits, recipe=recipe)


class Spoils(Callback):
    """Spoils the weights after a step."""

    def __init__(self, epoch: int, step: int) -> None:
        self.at = (epoch, step)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == self.at:
            with torch.no_grad():
                next(pl_module.model.parameters()).fill_(torch.nan)


@pytest.mark.parametrize("step", [1, 4])
def test_weights_that_are_not_finite_are_not_kept(tmp_path, digits, step):
    recipe = recipe_of(epochs=3)
    with refused(TrainingError, "epoch 2", "whole epoch are kept"):
        run(tmp_path, digits, recipe=recipe, callbacks=(Spoils(1, step),))
    for name in ("last", "best", "average"):
        assert all(bool(value.isfinite().all()) for value in weights(tmp_path, name).values())
    assert len(table(tmp_path)) == 2
    assert run(tmp_path, digits, recipe=recipe).resumed == 1


# ---------------------------------------------------------------- folders


def test_a_file_in_place_of_the_folder(tmp_path, digits):
    (tmp_path / "o").write_text("mine")
    with refused(TrainingError, "is a file"):
        run(tmp_path / "o", digits)
    with pytest.raises(OSError, match="Not a directory"):
        run(tmp_path / "o" / "below", digits)
    assert (tmp_path / "o").read_text() == "mine"


def test_a_full_disk(whole, tmp_path, digits, monkeypatch):
    recipe = recipe_of(epochs=3)
    with pytest.raises(RuntimeError):
        run(tmp_path, digits, recipe=recipe, callbacks=(Stops(1),))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("vitdsl.resolve.files.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path, digits, recipe=recipe)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    run(tmp_path, digits, recipe=recipe)
    assert_equal(whole[0], tmp_path)


@pytest.mark.parametrize("name", ["last.safetensors", "last.ckpt"])
def test_a_disk_that_is_full_at_one_file(whole, tmp_path, digits, monkeypatch, name):
    """Of the second epoch, this file is the first that is not written."""
    recipe, replace, seen = recipe_of(epochs=3), Path.replace, []

    def full(draft: Path, target: Path) -> Path:
        seen.append(target.name)
        if target.name == name and seen.count(name) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(draft, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path, digits, recipe=recipe)
    assert run(tmp_path, digits, recipe=recipe).resumed == 1
    assert_equal(whole[0], tmp_path)


def test_a_damaged_checkpoint(tmp_path, digits):
    with pytest.raises(RuntimeError):
        run(tmp_path, digits, callbacks=(Stops(1),))
    path = tmp_path / "last.ckpt"
    path.write_bytes(path.read_bytes()[:-100])
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with refused(CheckpointError, "last.ckpt: this is no checkpoint of a training, or it is damaged", "remove it"):
        run(tmp_path, digits)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
    path.unlink()
    assert run(tmp_path, digits).resumed == 0


def test_precision_of_16_bits(tmp_path, digits):
    result = run(tmp_path, digits, hardware=CPU._replace(precision="bf16"))
    assert result.history[-1]["loss"] < 3
    assert {value.dtype for value in weights(tmp_path, "last").values()} == {torch.float32}
    states = flat(read_checkpoint(tmp_path / "last.ckpt")["optimizer_states"]).values()
    assert {value.dtype for value in states if isinstance(value, torch.Tensor)} == {torch.float32}
