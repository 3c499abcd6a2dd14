"""Workers as tasks of Ray, which runs them on the machines of a cluster, and again where a machine is lost."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vitdsl.errors import Problem, SpecError, first_line
from vitdsl.search.local import LOOK
from vitdsl.search.storage import display_url, file_of, url_of
from vitdsl.search.worker import Job, work

KNOCK_SECONDS = 10.0
"""The longest wait for the head of a cluster."""
RESTARTS = 20
"""The number of restarts of a worker whose process or machine is lost."""


class RayEngine:
    """Runs jobs as Ray tasks of one CPU each, and of one GPU where candidates are judged on one.

    Args:
        address: of a running cluster, as `ray.init` takes it; None: one of this machine, for the time of the search.

    Attributes:
        alive: the number of workers that run or wait for a CPU.
        deaths: always 0, since Ray does not report its restarts.
    """

    deaths = 0

    def __init__(self, address: str | None = None) -> None:
        self.address = address
        self.alive = 0

    def run(self, jobs: Sequence[Job], look: Callable[[], None]) -> list[str]:
        """Runs jobs to their end.

        Args:
            jobs: one for each worker.
            look: called now and then while they run.

        Returns:
            Why each ended.

        Raises:
            SpecError: a worker's; there is no Ray, no such cluster, or it cannot use the storage.
        """
        with _cluster(self.address) as ray:
            _check_storage(ray, jobs[0].storage)
            gpus = int(jobs[0].device.startswith("cuda"))
            task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RESTARTS)(work)
            pending = [task.remote(job) for job in jobs]
            reasons: list[str] = []
            try:
                while pending:
                    self.alive = len(pending)
                    done, pending = ray.wait(pending, timeout=LOOK)
                    reasons += [_result(ray, reference) for reference in done]
                    look()
            finally:
                self.alive = 0
                for reference in pending:
                    ray.cancel(reference)
            return reasons


def _result(ray: Any, reference: Any) -> str:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, SpecError):
            raise error.cause from None
        raise
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError) as error:
        message = f"a worker was lost {RESTARTS + 1} times: {first_line(error)}"
        raise SpecError(Problem(message, hint="the study keeps what was judged", code="E915")) from None


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """Ray, connected; a connection that existed before stays."""
    # by default Ray reports its use to its developers
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise SpecError(Problem("`--engine ray` needs Ray", hint="pip install 'vitdsl[ray]'", code="E601")) from None
    if ray.is_initialized():
        yield ray
        return
    if address is not None:
        _knock(address)
    options: dict[str, Any] = {"include_dashboard": False} if address is None else {"address": address}
    try:
        ray.init(logging_level=logging.ERROR, log_to_driver=False, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise SpecError(
            Problem(f"there is no Ray cluster at {address or 'this machine'}: {error}", code="E914")
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Refuses an address without an answer; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise SpecError(Problem(f"there is no Ray cluster at {address}: {error}", code="E914")) from None


def _check_storage(ray: Any, storage: str) -> None:
    """Refuses a file for several machines."""
    url = url_of(storage)
    machines = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if file_of(url) is not None and len(machines) > 1:
        message = f"{len(machines)} machines cannot share the SQLite file {display_url(url)}"
        raise SpecError(Problem(message, hint="give them a server: --storage postgresql://user@host/name", code="E914"))
