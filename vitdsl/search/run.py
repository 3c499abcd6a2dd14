"""Runs a search: its study, its workers and its progress."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.errors import Problem, SpecError
from vitdsl.search.ledger import FAILED, RETRIES, Ledger, history, refusals
from vitdsl.search.local import LocalEngine
from vitdsl.search.progress import Progress, leaders
from vitdsl.search.ray_engine import RayEngine
from vitdsl.search.storage import display_url, failures, file_of, url_of
from vitdsl.search.study import ledger_of, portable, study_of
from vitdsl.search.worker import EXHAUSTED, SPENT, TIME, Job
from vitdsl.syntax.names import file_name

if TYPE_CHECKING:
    from optuna.study import Study
    from rich.console import Console

    from vitdsl.search.file import Search

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Outcome:
    """The result of a search.

    Attributes:
        study: its name.
        storage: its file or URL.
        ended: why the search ended.
        complete: the number of candidates that went through all rungs.
        pruned: of those that went through some.
        failed: of failed trials, with those of dead workers and of duplicates.
        retried: of trials that were retries.
        replaced: of workers that died and were replaced.
        refused: of candidates that were refused before they were built, by reason.
        best: the best trial, or with several objectives the Pareto front: number, measures, decisions.
    """

    study: str
    storage: str
    ended: str
    complete: int
    pruned: int
    failed: int
    retried: int
    replaced: int
    refused: dict[str, int] = field(default_factory=dict)
    best: list[dict[str, Any]] = field(default_factory=list)


def run_search(
    search: Search,
    storage: str | Path,
    *,
    workers: int = 1,
    engine: str = "local",
    address: str | None = None,
    folder: str | Path | None = None,
    heartbeat: int = 60,
    grace: int | None = None,
    retries: int = RETRIES,
    device: str = "cpu",
    console: Console | None = None,
) -> Outcome:
    """Starts or resumes a search, and runs it until its budget is spent.

    Args:
        search: the search.
        storage: of its study: a file, or a URL such as `postgresql://user@host/name`.
        workers: the number of candidates that are judged at once.
        engine: `local` for processes of this machine, `ray` for a cluster.
        address: of a running Ray cluster.
        folder: for checkpoints of candidates; by default beside the file of the study.
        heartbeat: seconds between two heartbeats of a running trial.
        grace: seconds without one after which the worker counts as dead; by default two heartbeats.
        retries: the number of retries of a candidate whose worker died.
        device: where candidates are judged: `cpu`, `cuda` for all GPUs in turn, or one, as `cuda:1`.
        console: for the progress; None: it is not shown.

    Returns:
        The result.

    Raises:
        SpecError: the storage cannot be used, the study is another's, nothing fits, or everything fails.
    """
    grace = 2 * heartbeat if grace is None else grace
    job = Job(
        portable(search), str(storage), str(folder or _folder(search, storage)), 0, _seconds(search), heartbeat, grace,
        retries, max(1, (os.cpu_count() or 1) // workers), device,
    )  # fmt: skip
    with study_of(search, storage, heartbeat, grace, retries) as study:
        if address is not None and engine != "ray":
            raise SpecError(
                Problem("an address is that of a Ray cluster", hint="give --engine ray with it", code="E914")
            )
        # two candidates that kill every worker must not end the search
        most = 2 * (retries + 1)
        placed = RayEngine(address) if engine == "ray" else LocalEngine(lambda: ledger_of(study).finished, most)
        jobs = [_numbered(job, number, engine) for number in range(workers)]
        reasons = _watched(search, study, placed, jobs, console)
        return _outcome(search, ledger_of(study, retries), url_of(storage), reasons, placed.deaths)


def _watched(search: Search, study: Study, engine: Any, jobs: list[Job], console: Console | None) -> list[str]:
    """Runs the jobs, and shows the progress."""
    if console is None:
        return engine.run(jobs, lambda: None)
    with Progress(search, console, lambda: (engine.alive, engine.deaths)) as progress:

        def look() -> None:
            with failures(jobs[0].storage):
                progress.show(ledger_of(study))

        look()
        reasons = engine.run(jobs, look)
        look()
    return reasons


def _numbered(job: Job, number: int, engine: str) -> Job:
    """The job of one worker: with a number of its own, and a GPU where there are several."""
    if engine == "ray" or job.device != "cuda":
        return replace(job, worker=number, threads=1 if engine == "ray" else job.threads)
    import torch

    count = torch.cuda.device_count()
    if not count:
        raise SpecError(Problem("there is no GPU here that torch can use", hint="--device cpu", code="E815"))
    return replace(job, worker=number, device=f"cuda:{number % count}")


def _seconds(search: Search) -> float | None:
    minutes = search.file.budget.minutes
    return None if minutes is None else 60 * minutes


def _folder(search: Search, storage: str | Path) -> Path:
    """Beside the file of the study; for a study on a server, in the current folder, which all workers should share."""
    file = file_of(url_of(storage))
    return Path(file_name(search.name, ".candidates")).absolute() if file is None else file.with_suffix(".candidates")


def _outcome(search: Search, ledger: Ledger, url: str, reasons: list[str], replaced: int) -> Outcome:
    states = [trial.state.name for trial in ledger.trials]
    order: tuple[str, ...] = (SPENT, TIME, EXHAUSTED)
    best = [
        {"trial": trial.number, "measures": trial.user_attrs["measures"], "decisions": trial.user_attrs["decisions"]}
        for trial in leaders(search, ledger.trials)
    ]
    return Outcome(
        study=search.name,
        storage=display_url(url),
        ended=next(reason for reason in order if reason in reasons),
        complete=states.count("COMPLETE"),
        pruned=states.count("PRUNED"),
        failed=states.count(FAILED),
        retried=sum(bool(history(trial)) for trial in ledger.trials),
        replaced=replaced,
        refused=refusals(ledger.trials),
        best=best,
    )
