"""Two processes train as one, and end as one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from tests.training.small_runs import (
    PLAIN,
    SPEC,
    WITH_BATCH_NORM,
    digits_in,
    recipe_of,
    run,
    spec_of,
    start,
    table,
    weights,
    written,
)

pytestmark = pytest.mark.full
STILL = {name: text.replace(", drop_path: 0.2", "") for name, text in (("norm", WITH_BATCH_NORM), ("plain", SPEC))}
OPTIMIZER = {"type": "sgd", "learning_rate": 0.05}


def trained(folder: Path, spec: str, data: str, *more: object, **edits: object) -> tuple[Path, str]:
    """Trains by the command in `folder / o`; says what was said."""
    folder.mkdir(exist_ok=True)
    file, recipe = written(folder, spec, **{**PLAIN, "optimizer": OPTIMIZER, **edits})
    process = start(
        folder, "train", file, "--recipe", recipe, "--data", data, "-o", folder / "o", "--device", "cpu", *more
    )
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return folder / "o", out + err


def rows(folder: Path) -> list[dict[str, float]]:
    header, *lines = (line.split(",") for line in table(folder))
    return [dict(zip(header, map(float, line), strict=True)) for line in lines]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    """An odd number of digits that evaluate: two processes do not have the same."""
    folder = digits_in(tmp_path_factory.mktemp("digits"), each=5, held=3)
    next((Path(folder) / "val" / "0").iterdir()).unlink()
    return folder


def compare(tmp_path: Path, data: str, *more: object) -> str:
    one, _ = trained(tmp_path / "one", STILL["plain"], data)
    two, said = trained(tmp_path / "two", STILL["plain"], data, "--devices", "2", *more)
    for name in ("last", "average"):
        found = weights(two, name)
        for key, value in weights(one, name).items():
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-5, msg=key)
    for first, second in zip(rows(one), rows(two), strict=True):
        assert (first["epoch"], first["step"]) == (second["epoch"], second["step"])
        for name in ("accuracy", "accuracy_5", "average_accuracy"):
            assert second[name] * 29 == pytest.approx(round(second[name] * 29), abs=1e-6)
            assert first[name] == pytest.approx(second[name], abs=0.04)
        for name in ("loss", "evaluation_loss", "average_evaluation_loss"):
            assert first[name] == pytest.approx(second[name], rel=1e-4)
        assert first["learning_rate"] == second["learning_rate"]
    return said


def test_two_processes_train_as_one(tmp_path, data):
    said = compare(tmp_path, data)
    assert "on 2 × cpu" in said
    assert len(re.findall("trained for 2 epochs", said)) == 1
    assert len(re.findall("^accuracy", said, re.M)) == 1


def test_two_processes_with_parts(tmp_path, data):
    compare(tmp_path, data, "--accumulate", "2", "--workers", "1")


def test_two_processes_with_batch_norms(tmp_path, data):
    """Each normalises its own rows, so that weights differ; the average and the buffers are those of the first."""
    one, _ = trained(tmp_path / "one", STILL["norm"], data)
    two, _ = trained(tmp_path / "two", STILL["norm"], data, "--devices", "2")
    for first, second in zip(rows(one), rows(two), strict=True):
        assert first["loss"] == pytest.approx(second["loss"], rel=0.1)
    assert all(bool(value.isfinite().all()) for value in weights(two, "last").values())


def test_one_process_begins_and_two_go_on(tmp_path, data):
    class Stops(Callback):
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 1:
                raise RuntimeError

    options = {**PLAIN, "optimizer": OPTIMIZER}
    with pytest.raises(RuntimeError):
        run(tmp_path / "two" / "o", data, spec_of(STILL["plain"]), recipe_of(**options), callbacks=(Stops(),))
    one, _ = trained(tmp_path / "one", STILL["plain"], data)
    two, said = trained(tmp_path / "two", STILL["plain"], data, "--devices", "2", "--set", "name=tiny")
    assert "goes on after epoch 1" in said
    for key, value in weights(one, "last").items():
        torch.testing.assert_close(weights(two, "last")[key], value, rtol=1e-4, atol=1e-5, msg=key)


def test_an_output_that_no_loss_reads(tmp_path, data):
    """Some parameters get no gradient, which DDP must be told."""
    spec = (
        STILL["plain"]
        .replace("head: {pool: mean}", "head: {pool: [cls, dist]}")
        .replace("    body:", "    tokens: [cls, dist]\n    body:")
    )
    losses = {"labels": {"type": "cross_entropy", "output": "cls"}}
    _, said = trained(tmp_path / "two", spec, data, "--devices", "2", losses=losses)
    assert "warning" not in said.lower()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--recipe-set", "optimizer.learning_rate=1e30", "--recipe-set", "clip=none"], "`losses.labels` is"),
        (["--recipe-set", "batch=15"], "15 images cannot be divided equally among 2 processes"),
    ],
)
def test_what_two_processes_say_of_errors(tmp_path, data, more, words):
    file, recipe = written(tmp_path, STILL["plain"], **{**PLAIN, "optimizer": OPTIMIZER})
    command = ["train", file, "--recipe", recipe, "--data", data, "-o", tmp_path / "o", "--device", "cpu"]
    process = start(tmp_path, *command, "--devices", "2", *more)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, out + err
    assert err.count(words) == 1, err
    assert "Traceback" not in err


def test_a_photo_that_one_process_cannot_read(tmp_path):
    data = digits_in(tmp_path / "data", each=5, held=3)
    (Path(data) / "train/4/02.png").write_bytes(b"no")
    (Path(data) / "val/4/02.png").write_bytes(b"no")
    file, recipe = written(tmp_path, STILL["plain"], **{**PLAIN, "optimizer": OPTIMIZER})
    command = ["train", file, "--recipe", recipe, "--data", data, "-o", tmp_path / "o", "--device", "cpu"]
    process = start(tmp_path, *command, "--devices", "2")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, out + err
    assert "02.png cannot be read" in err
    assert "another process of this training ended" in err
    process = start(tmp_path, *command, "--devices", "2", "--corrupt", "skip")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    assert "2 photos could not be read, and were skipped" in err
