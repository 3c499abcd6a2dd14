"""A worker: it proposes and judges candidates, and retries those of dead workers, until the search ends."""

from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vitdsl.errors import Problem, SpecError
from vitdsl.search.file import Search, load_search
from vitdsl.search.ledger import RETRIES, Ledger
from vitdsl.search.proposals import Proposer
from vitdsl.search.storage import failures, file_of, open_storage, url_of
from vitdsl.search.study import Retry, ledger_of, study_in, sweep
from vitdsl.search.trial import TrialRunner

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

POLL = 0.2
"""Seconds between two looks at the study, while the worker waits for others."""
ORPHANED = 1.0
"""Seconds after which a waiting trial counts as orphaned; workers take it in the order of their numbers."""
FAILED_IN_A_ROW = 10
"""After so many failures, one after another, the fault is not the candidates'."""
SPENT, TIME, EXHAUSTED = "the budget is spent", "the time is up", "nothing new that fits is left in the space"


@dataclass(frozen=True)
class Job:
    """The task of a worker; plain values, so that it can be pickled.

    Attributes:
        search: the text of the search, with its space in it.
        storage: of the study.
        folder: for checkpoints of candidates.
        worker: the number of the worker.
        seconds: the time in which it may begin trials; None: unlimited.
        heartbeat: seconds between two heartbeats of a running trial.
        grace: seconds without one after which a worker counts as dead.
        retries: the number of retries of a candidate.
        threads: of torch; None: unchanged.
        device: where candidates are judged.
    """

    search: str
    storage: str
    folder: str | None = None
    worker: int = 0
    seconds: float | None = None
    heartbeat: int = 60
    grace: int = 120
    retries: int = RETRIES
    threads: int | None = None
    device: str = "cpu"


def work(job: Job) -> str:
    """Works on a study until its search ends.

    Returns:
        Why it ended.

    Raises:
        SpecError: nothing fits, everything fails, or the storage cannot be used.
    """
    if job.threads is not None:
        _use_threads(job.threads)
    search = load_search(job.search)
    with open_storage(job.storage, job.heartbeat, job.grace, Retry(job.retries)) as storage, failures(job.storage):
        return _Worker(job, search, storage).run()


def _use_threads(count: int) -> None:
    """Sets the number of torch's threads; torch may be loaded later."""
    os.environ.setdefault("OMP_NUM_THREADS", str(count))
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(count)


class _Worker:
    def __init__(self, job: Job, search: Search, storage: RDBStorage) -> None:
        self.job, self.search, self.storage = job, search, storage
        self.study = study = study_in(storage, search)
        # on a server, workers of several machines may have the same number
        here = "" if file_of(url_of(job.storage)) is not None else f"{socket.gethostname()}/"
        self.proposer = Proposer(search, f"{here}{job.worker}")
        self.runner = TrialRunner(study, search, Path(job.folder) if job.folder else None, job.device, job.retries)
        self.end = None if job.seconds is None else time.monotonic() + job.seconds
        self.swept = float("-inf")
        self.first: int | None = None
        self.waiting: dict[int, float] = {}
        self.exhausted = False

    def run(self) -> str:
        while True:
            ledger = self._ledger()
            if ledger.finished >= self.search.file.budget.trials:
                return SPENT
            if self.end is not None and time.monotonic() >= self.end:
                return TIME
            self._give_up(ledger)
            if self._orphaned(ledger):
                self._optimize()
            elif len(ledger.live) >= self.search.file.budget.trials:
                time.sleep(POLL)
            elif self.exhausted:
                if len(ledger.live) == ledger.finished:
                    return EXHAUSTED
                time.sleep(POLL)
            else:
                self._next(ledger)

    def _ledger(self) -> Ledger:
        """The state of the trials; once a heartbeat, trials of dead workers are queued again first."""
        now = time.monotonic()
        if now - self.swept < self.job.heartbeat:
            return ledger_of(self.study, self.job.retries)
        self.swept = now
        return sweep(self.study, self.storage, self.job.grace, self.job.retries)

    def _orphaned(self, ledger: Ledger) -> bool:
        """Whether a trial has waited for so long that no worker is about to start it.

        The worker that proposes a candidate starts a trial at once. Were others as quick, nothing would wait for it.
        """
        now = time.monotonic()
        waiting = [trial.number for trial in ledger.trials if trial.state.name == "WAITING"]
        self.waiting = {number: self.waiting.get(number, now) for number in waiting}
        return any(now - since > ORPHANED + POLL * self.job.worker for since in self.waiting.values())

    def _give_up(self, ledger: Ledger) -> None:
        self.first = len(ledger.trials) if self.first is None else self.first
        failed = ledger.failures(self.first)
        if len(failed) >= FAILED_IN_A_ROW:
            message = f"the last {len(failed)} candidates failed, the last of them of\n{failed[0]}"
            raise SpecError(Problem(message, hint="the study keeps what was judged before", code="E915"))

    def _next(self, ledger: Ledger) -> None:
        """Proposes a candidate, and judges the first waiting one: this, or one of another worker, which judges this."""
        from optuna import create_trial
        from optuna.trial import TrialState

        proposal = self.proposer.propose(ledger)
        if proposal is None:
            self.exhausted = True
            return
        self.study.add_trial(create_trial(
            state=TrialState.WAITING, params=proposal.params, distributions=proposal.distributions,
            user_attrs=proposal.attributes(), system_attrs=proposal.system,
        ))  # fmt: skip
        self._optimize()

    def _optimize(self) -> None:
        """Judges one waiting trial."""
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            self.study.optimize(self.runner, n_trials=1)
        except (ValueError, AssertionError, UpdateFinishedTrialError):
            # Optuna raises one of these when another worker has already failed this trial as stale
            if not self.runner.done:
                raise
