"""Workers and whole searches killed at random moments: what was complete stays, what was not is tried again, once."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.search.studies import command, environment, logging, states, text, trials_of
from vitdsl.search.ledger import COUNTED, history

SECONDS = 0.1
"""Of one evaluation."""


class Killed:
    """A search in a process group of its own, with what was complete whenever something was killed."""

    def __init__(self, folder: Path, trials: int, workers: int, seed: int) -> None:
        self.file, self.study, self.log = folder / "toy.yaml", folder / "toy.db", folder / "log"
        self.file.write_text(text(trials, rungs=logging(self.log, SECONDS)), encoding="utf-8")
        self.log.touch()
        self.trials, self.workers = trials, workers
        self.rng = random.Random(seed)
        self.process: subprocess.Popen[str] | None = None
        self.kills = 0
        self.complete: dict[str, int] = {}

    def start(self) -> None:
        self.process = subprocess.Popen(
            command("search", self.file, "--workers", self.workers, "--heartbeat", 1, "--grace", 3),
            env=environment(), start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def running(self) -> bool:
        assert self.process is not None
        return self.process.poll() is None

    def until_something_is_judged(self) -> None:
        """Waits for a random moment after the next evaluation has begun: kills are to fall among evaluations."""
        before = len(self.lines())
        while self.running() and len(self.lines()) == before:
            time.sleep(0.02)
        time.sleep(self.rng.uniform(0, 3 * SECONDS))

    def lines(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()

    def note(self) -> None:
        """Before a kill: candidates that are complete, and how often each was begun."""
        question = (
            "SELECT value_json FROM trials t JOIN trial_user_attributes a ON a.trial_id = t.trial_id "
            "WHERE a.key = 'hash' AND t.state IN ('COMPLETE', 'PRUNED')"
        )
        with closing(sqlite3.connect(self.study)) as connection:
            finished = [json.loads(row[0]) for row in connection.execute(question)]
        begun = Counter(line.split()[1] for line in self.lines() if line.startswith("begin"))
        for name in finished:
            self.complete.setdefault(name, begun[name])

    def kill_worker(self) -> bool:
        """Kills one worker, if there is one."""
        assert self.process is not None
        workers = children(self.process.pid)
        if not workers:
            return False
        self.note()
        os.kill(self.rng.choice(workers), signal.SIGKILL)
        self.kills += 1
        return True

    def kill_all(self) -> None:
        """Kills the search with its workers."""
        assert self.process is not None
        if self.study.exists() and self.study.stat().st_size:
            self.note()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        self.kills += 1

    def end(self) -> str:
        assert self.process is not None
        said, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, said
        return said

    def check(self) -> None:
        """Nothing is lost, nothing is done twice, and the budget is met."""
        trials = trials_of(self.study)
        counts = states(trials)
        assert counts["COMPLETE"] + counts["PRUNED"] == self.trials
        assert counts["RUNNING"] == counts["WAITING"] == 0
        finished = [trial.user_attrs["hash"] for trial in trials if trial.state.name in COUNTED]
        assert len(set(finished)) == len(finished)
        assert set(self.complete) <= set(finished)
        begun = Counter(line.split()[1] for line in self.lines() if line.startswith("begin"))
        assert {name: begun[name] for name in self.complete} == self.complete
        for trial in trials:
            assert trial.user_attrs.get("retry_of") == (history(trial) or [None])[-1]
            if trial.state.name == "FAIL" and "given_up" not in trial.user_attrs and "hash" in trial.user_attrs:
                again = [other for other in trials if history(other)[-1:] == [trial.number]]
                assert len([other for other in again if "given_up" not in other.user_attrs]) == 1
        # each time that a candidate was begun is a trial that completed or was killed
        tries = Counter(
            t.user_attrs["hash"] for t in trials if "hash" in t.user_attrs and "given_up" not in t.user_attrs
        )
        assert all(begun[name] <= tries[name] for name in begun)


def children(parent: int) -> list[int]:
    """Identifiers of the workers that a search has started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"\nPPid:\t{parent}\n" in (entry / "status").read_text(encoding="utf-8"):
                line = (entry / "cmdline").read_text(encoding="utf-8")
                found += [int(entry.name)] if "spawn_main" in line else []
        except (FileNotFoundError, ProcessLookupError):
            # it ended meanwhile
            continue
    return found


def kill_workers(search: Killed, kills: int) -> None:
    search.start()
    while search.kills < kills and search.running():
        search.until_something_is_judged()
        search.kill_worker()
    search.end()
    search.check()
    assert search.kills == kills


def kill_searches(search: Killed, kills: int) -> None:
    while search.kills < kills:
        search.start()
        search.until_something_is_judged()
        assert search.running(), "it came to its end before it could be killed"
        search.kill_all()
    search.start()
    search.end()
    search.check()


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")


@linux
def test_killed_workers(tmp_path):
    kill_workers(Killed(tmp_path, trials=12, workers=2, seed=1), kills=2)


@linux
def test_killed_searches(tmp_path):
    kill_searches(Killed(tmp_path, trials=8, workers=1, seed=2), kills=1)


@linux
@pytest.mark.full
@pytest.mark.parametrize("seed", range(5))
def test_many_killed_workers(tmp_path, seed):
    kill_workers(Killed(tmp_path, trials=150, workers=2, seed=seed), kills=10)


@linux
@pytest.mark.full
@pytest.mark.parametrize("seed", range(5))
def test_many_killed_searches(tmp_path, seed):
    kill_searches(Killed(tmp_path, trials=80, workers=2, seed=seed), kills=10)
