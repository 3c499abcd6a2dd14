"""`vitdsl train` and `vitdsl eval`: what they write and say, their exit codes, and how they go on."""

from __future__ import annotations

import importlib.util
import json
import signal
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.small_runs import digits_in, start, table, written

pytestmark = pytest.mark.filterwarnings(r"ignore:::tensorboard\..*")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return digits_in(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def files(tmp_path):
    return written(tmp_path)


@pytest.fixture
def train(run, tmp_path, digits, files):
    """Trains in a folder `o`, if it is not said otherwise."""

    def call(*more, data=digits):
        spec, recipe = files
        return run("train", spec, "--recipe", recipe, "--data", data, "-o", tmp_path / "o", "--device", "cpu", *more)

    return call


def test_train_and_eval(train, run, tmp_path, digits, files):
    done = train()
    assert done.code == 0
    assert done.out.startswith("accuracy ")
    assert "after epoch" in done.out
    lines = done.err.splitlines()
    assert lines[0].startswith("model · quick: ")
    assert [line.split("  ")[0] for line in lines[1:3]] == ["epoch 1/2", "epoch 2/2"]
    assert lines[3].startswith("trained for 2 epochs")
    assert len(lines) == 6, done.err  # nothing of Lightning's
    best = tmp_path / "o" / "best.safetensors"
    accuracy = done.out.split()[1]
    found = run("eval", files[0], "--weights", best, "--data", digits, "--device", "cpu")
    assert found.code == 0
    assert accuracy in found.out
    measured = json.loads(run("eval", files[0], "--weights", best, "--data", digits, "--device", "cpu", "--json").out)
    assert f"{100 * measured['accuracy']:.2f}%" == accuracy
    assert measured["images"] == 30
    assert run("build", files[0], "--weights", best).code == 0
    again = train()
    assert (again.code, again.err) == (0, "")
    assert again.out == (
        "this training was complete already; `--recipe-set epochs=N -o DIR` trains another one\n" + done.out
    )
    other = train("--recipe-set", "seed=9")
    assert other.code == 1
    assert "holds another training: `seed` is not given there, and 9 here" in other.err


def test_json(train, tmp_path):
    said = json.loads(train("--json").out)
    assert said["folder"] == str(tmp_path / "o")
    assert said["last"]["epoch"] == 2
    assert {"best.safetensors", "history.csv", "logs"} <= {*said["files"]}


def test_logs(train, tmp_path):
    train()
    log = EventAccumulator(str(tmp_path / "o" / "logs"))
    log.Reload()
    header, *rows = (row.split(",") for row in table(tmp_path / "o"))
    for name in ("loss", "accuracy", "average_accuracy", "learning_rate"):
        found = log.Scalars(name)
        assert [each.step for each in found] == [5, 10]
        assert [each.value for each in found] == pytest.approx([float(row[header.index(name)]) for row in rows])


def test_logs_are_not_needed(train, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *m: None if name == "tensorboard" else find(name, *m))
    assert train().code == 0
    assert not (tmp_path / "o" / "logs").exists()


def test_missing_packages(train, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *m: None if name == "lightning" else find(name, *m))
    done = train()
    assert done.code == 1
    assert "training needs lightning" in done.err
    assert "pip install 'vitdsl[train]'" in done.err
    assert not (tmp_path / "o").exists()


def test_weights_to_begin_with(train, run, tmp_path, files):
    assert train().code == 0
    best = tmp_path / "o" / "best.safetensors"
    done = run(
        "train", files[0], "--recipe", files[1], "--data", "digits", "-o", tmp_path / "p", "--device", "cpu",
        "--weights", best, "--recipe-set", "epochs=1", "--recipe-set", "schedule.warmup=0",
        "--recipe-set", "validation=0.9",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.err.startswith("copied: 18\n")


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--precision", "8"], 2, "--precision"),
        (["--corrupt", "repair"], 2, "--corrupt"),
        (["--devices", "0"], 2, "--devices"),
        (["--device", "abacus"], 1, "this machine does not train so"),
        (["--recipe-set", "batch=96"], 1, "a batch has 96 images, but an epoch has only 80"),
        (["--recipe-set", "batch=15"], 1, "mixes an even number of images"),
        (["--accumulate", "3"], 1, "cannot be divided equally into 3 parts"),
        (["--recipe-set", "optimizer.type=adamv"], 1, "there is no optimizer `adamv`"),
        (["--set", "classes=7"], 1, "10 classes, but the spec has 7"),
        (["--layout", "timm"], 2, "there is no --weights"),
    ],
)
def test_refusals(train, tmp_path, more, code, words):
    done = train(*more)
    assert done.code == code
    assert words in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "o").exists()


def test_data_that_is_not_there(train, tmp_path):
    done = train(data=tmp_path / "nowhere")
    assert done.code == 1
    assert "there is no data set" in done.err
    assert not (tmp_path / "o").exists()


def test_a_learning_rate_that_is_far_too_high(train, tmp_path):
    rates = ["--recipe-set", "optimizer.type=sgd", "--recipe-set", "schedule.warmup=0", "--recipe-set", "clip=none"]
    done = train(*rates, "--recipe-set", "optimizer.learning_rate=1e9", "--recipe-set", "epochs=9")
    assert done.code == 1
    assert "at step" in done.err
    assert "the learning rate there is" in done.err
    assert "a lower `optimizer.learning_rate`" in done.err


def test_photos_that_cannot_be_read(train, run, tmp_path, files):
    data = digits_in(tmp_path / "data", each=4, held=2)
    (Path(data) / "train/3/01.png").write_bytes(b"no")
    (Path(data) / "val/3/01.png").write_bytes(b"no")
    done = train(data=data)
    assert done.code == 1
    assert "01.png cannot be read" in done.err
    done = train("--corrupt", "skip", data=data)
    assert done.code == 0
    assert "2 photos could not be read, and were skipped" in done.err
    measure = ["eval", files[0], "--weights", tmp_path / "o/last.safetensors", "--data", data, "--device", "cpu"]
    assert run(*measure).code == 1
    found = run(*measure, "--corrupt", "skip")
    assert found.code == 0
    assert "skipped" in found.out


def test_a_damaged_checkpoint(train, tmp_path):
    train()
    path = tmp_path / "o" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:1000])
    done = train()
    assert done.code == 1
    assert "damaged: remove it to begin anew" in done.err


def test_a_folder_that_cannot_be_written(train, tmp_path):
    (tmp_path / "o").write_text("mine")
    done = train()
    assert done.code == 1
    assert f"{tmp_path / 'o'} is a file" in done.err


# ---------------------------------------------------------------- processes


def arguments(folder, digits, *more):
    spec, recipe = written(folder)
    return "train", spec, "--recipe", recipe, "--data", digits, "-o", folder / "o", "--device", "cpu", *more


def until(process, path):
    """Waits until a file is there."""
    began = time.monotonic()
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < began + 200
        time.sleep(0.02)


def test_ctrl_c(tmp_path, digits):
    """The exit code of an interruption, what is kept, and how to go on."""
    command = arguments(tmp_path, digits, "--recipe-set", "epochs=500")
    process = start(tmp_path, *command)
    until(process, tmp_path / "o" / "last.ckpt")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert out == ""
    assert "the same command again goes on with epoch" in err
    assert "Traceback" not in err
    assert "graceful" not in err
    kept = torch.load(tmp_path / "o" / "last.ckpt", weights_only=True)["vitdsl"]["history"]
    assert len(table(tmp_path / "o")) == len(kept) + 1
