"""Workers as processes of this machine, which are replaced when they die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing import connection
from typing import Any

from vitdsl.errors import Problem, SpecError
from vitdsl.search.worker import Job, work

LOOK = 0.5
"""Seconds between two looks at the workers and the study."""
PATIENCE = 15.0
"""Seconds between the signal to stop and the kill of a worker."""


class LocalEngine:
    """Runs jobs in processes.

    Args:
        finished: gives the number of finished candidates.
        deaths: the search ends after so many deaths of each worker without a finished candidate between them.

    Attributes:
        alive: the number of workers that run.
        deaths: of those that died and were replaced.
    """

    def __init__(self, finished: Callable[[], int], deaths: int) -> None:
        self.finished, self.most = finished, deaths
        self.deaths = 0
        self._running: list[_Running] = []
        self._in_vain: tuple[int, int] = (0, 0)

    @property
    def alive(self) -> int:
        """The number of workers that run."""
        return len(self._running)

    def run(self, jobs: Sequence[Job], look: Callable[[], None]) -> list[str]:
        """Runs jobs to their end.

        Args:
            jobs: one for each worker.
            look: called now and then while they run.

        Returns:
            Why each ended.

        Raises:
            SpecError: a worker's; or workers die, one after another.
        """
        began, reasons = time.monotonic(), []
        try:
            self._running = [_Running(job) for job in jobs]
            while self._running:
                connection.wait([worker.process.sentinel for worker in self._running], LOOK)
                for worker in [worker for worker in self._running if not worker.process.is_alive()]:
                    self._running.remove(worker)
                    reason = worker.result()
                    if reason is None:
                        self._running.append(self._replaced(worker, began, len(jobs)))
                    else:
                        reasons.append(reason)
                look()
        finally:
            self._stop()
        return reasons

    def _replaced(self, dead: _Running, began: float, workers: int) -> _Running:
        """Another worker for one that died; its trial is retried when it has been silent for long enough."""
        self.deaths += 1
        finished = self.finished()
        before, deaths = self._in_vain
        deaths = deaths + 1 if finished == before else 1
        self._in_vain = finished, deaths
        if deaths > self.most * workers:
            message = (
                f"{deaths} workers died, one after another, and nothing was finished; the last one {dead.ending()}"
            )
            raise SpecError(
                Problem(message, hint="what they wrote stands above; the study keeps what was judged", code="E915")
            )
        job = dead.job
        left = None if job.seconds is None else max(0.0, job.seconds - (time.monotonic() - began))
        return _Running(job, left)

    def _stop(self) -> None:
        """Stops what still runs: in order first, so that a trial is retried without waiting; then by force."""
        for worker in self._running:
            worker.process.terminate()
        end = time.monotonic() + PATIENCE
        for worker in self._running:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._running = []


class _Running:
    """A worker's process."""

    def __init__(self, job: Job, seconds: float | None = None) -> None:
        self.job = job
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe(duplex=False)
        own = job if seconds is None else replace(job, seconds=seconds)
        self.process = context.Process(target=_child, args=(own, theirs), name=f"worker {job.worker}", daemon=True)
        self.process.start()
        theirs.close()

    def result(self) -> str | None:
        """Why it ended, or None where it died.

        Raises:
            SpecError: it ended by one.
        """
        self.process.join()
        message: Any = None
        try:
            if self.pipe.poll():
                message = self.pipe.recv()
        except EOFError:
            # it died before it sent anything
            message = None
        finally:
            self.pipe.close()
        if isinstance(message, SpecError):
            raise message
        return message

    def ending(self) -> str:
        """How it died, in words."""
        code = self.process.exitcode or 0
        return f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def _child(job: Job, pipe: Any) -> None:
    """The main function of a worker's process."""
    # the terminal sends Ctrl-C to all; the parent decides, and sends SIGTERM
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_follow, daemon=True).start()
    try:
        message: Any = work(job)
    except SpecError as error:
        message = error
    except KeyboardInterrupt:
        sys.exit(1)
    pipe.send(message)
    pipe.close()


def _interrupt(number: int, frame: Any) -> None:
    """Ends the trial as Ctrl-C does; once, since a second one would interrupt Optuna while it stores the first."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _follow() -> None:
    """Stops this worker when its parent process has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
