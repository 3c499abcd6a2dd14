"""Trainings killed at random moments: what was kept goes on, and comes to what a training without kills comes to."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.small_runs import CPU, assert_equal, digits_in, recipe_of, run, table
from vitdsl.checkpoints.files import read_metadata, read_weights
from vitdsl.training.checkpoints import read_checkpoint

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")


def child(output: str, data: str, epochs: int, workers: int) -> None:
    """Trains, in a process group of its own."""
    os.setsid()
    torch.set_num_threads(1)
    run(Path(output), data, recipe=recipe_of(epochs=epochs), hardware=CPU._replace(workers=workers))


class Killed:
    """A training in other processes; they are forked of one that has loaded what they need."""

    def __init__(self, folder: Path, data: str, epochs: int, workers: int = 0) -> None:
        self.output, self.data, self.epochs, self.workers = folder / "killed", data, epochs, workers
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.training.small_runs"])

    def kill(self, rng: random.Random) -> bool:
        """Kills it soon after the next epoch is kept, or while that is done; false: it had come to its end."""
        process: Any = self.context.Process(target=child, args=(str(self.output), self.data, self.epochs, self.workers))
        process.start()
        before, again = self.stamp(), rng.choice([1, 2])
        try:
            for _ in range(again):
                while process.is_alive() and self.stamp() == before:
                    time.sleep(0.002)
                before = self.stamp()
            time.sleep(rng.uniform(0, 0.2))
        finally:
            done = not process.is_alive()
            if not done:
                os.killpg(process.pid, signal.SIGKILL)
            process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        return process.exitcode != 0

    def stamp(self) -> int | None:
        path = self.output / "last.ckpt"
        return path.stat().st_mtime_ns if path.exists() else None

    def check(self) -> int:
        """All files are whole; how many epochs are kept."""
        kept = read_checkpoint(self.output / "last.ckpt")["vitdsl"]["history"]
        assert [entry["epoch"] for entry in kept] == [*range(1, len(kept) + 1)]
        rows = table(self.output)[1:]
        assert [int(row.split(",")[0]) for row in rows] == [*range(1, len(rows) + 1)]
        assert len(kept) <= len(rows) <= len(kept) + 1
        for name in ("last", "best", "average"):
            path = self.output / f"{name}.safetensors"
            assert len(read_weights(path).tensors) > 5
            assert json.loads(read_metadata(path)["vitdsl.measures"])["epoch"] <= len(kept) + 1
        assert (self.output / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
        assert (self.output / "curve.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")
        json.loads((self.output / "run.json").read_text(encoding="utf-8"))
        return len(kept)


def kill(training: Killed, whole: Path, kills: int, seed: int) -> None:
    recipe = recipe_of(epochs=training.epochs)
    run(whole, training.data, recipe=recipe)
    rng, epochs = random.Random(seed), 0
    for _ in range(kills):
        assert training.kill(rng), "it came to its end before it could be killed so often"
        kept = training.check()
        assert kept > epochs
        epochs = kept
    result = run(training.output, training.data, recipe=recipe)
    assert result.resumed == epochs
    assert [entry["epoch"] for entry in result.history] == [*range(1, training.epochs + 1)]
    assert_equal(whole, training.output)
    assert not [path.name for path in training.output.iterdir() if path.name.startswith(".")]


@pytest.mark.usefixtures("one_thread")
def test_killed(tmp_path):
    data = digits_in(tmp_path / "data", each=2, held=1)
    kill(Killed(tmp_path, data, epochs=4), tmp_path / "whole", kills=1, seed=1)


@pytest.mark.full
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("workers", "kills"), [(0, 5), (2, 20)])
def test_killed_often(tmp_path, workers, kills):
    data = digits_in(tmp_path / "data", each=2, held=1)
    kill(Killed(tmp_path, data, epochs=6 * kills, workers=workers), tmp_path / "whole", kills=kills, seed=workers)
