"""Where a study is kept: a file or a server. What is wrong with it is said before anything is written."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.errors import Problem, SpecError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

EXTRA = "pip install 'vitdsl[search]'"
LOCK_SECONDS = 60.0
"""How long a writer waits for another one's transaction."""
FIRST_SECONDS = 5.0
"""How long it is waited for a file or a server that has not answered yet."""
SQLITE = "sqlite:///"


def url_of(storage: str | Path) -> str:
    """The SQLAlchemy URL of a storage: a file is SQLite, PostgreSQL is spoken to by psycopg 3.

    Args:
        storage: a path, or a URL such as `postgresql://user@host/name`.
    """
    text = str(storage)
    if "://" not in text:
        return f"{SQLITE}{Path(text).absolute()}"
    scheme, _, rest = text.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else text


def file_of(url: str) -> Path | None:
    """The file of an SQLite URL, or None where the study is on a server."""
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


@contextmanager
def opened(
    storage: str | Path, heartbeat: int = 60, grace: int = 120, retry: Callable[..., None] | None = None
) -> Iterator[RDBStorage]:
    """Optuna's storage, closed at the end.

    Args:
        storage: a path, or a URL.
        heartbeat: seconds between two signs of life of a running trial.
        grace: seconds without one after which its worker is taken for dead.
        retry: what is called with the study and a trial whose worker is dead.

    Raises:
        SpecError: it is no database, locked, not reached, another program's, or of another version of Optuna.
    """
    try:
        import optuna
        from sqlalchemy import exc
    except ModuleNotFoundError as error:
        raise SpecError(Problem(f"searches need {error.name}", hint=EXTRA)) from None
    url = url_of(storage)
    file = file_of(url)
    if file is not None:
        _check_file(file)
    try:
        made = _made(url, file, heartbeat, grace, retry)
    except (exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise SpecError(_unreached(url, error)) from None
    except ImportError:
        driver = url.partition("://")[0]
        raise SpecError(
            Problem(f"{shown(url)} needs a driver for {driver}, which is not installed", hint=EXTRA)
        ) from None
    except RuntimeError as error:
        # Optuna refuses the tables of other versions so
        raise SpecError(Problem(f"{shown(url)}: {error}")) from None
    try:
        yield made
    finally:
        made.remove_session()
        made.engine.dispose()


def shown(url: str) -> str:
    """A storage as messages name it: the file, or the URL without its password."""
    file = file_of(url)
    if file is not None:
        return str(file)
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url.partition("://")[0]


def _made(url: str, file: Path | None, heartbeat: int, grace: int, retry: Callable[..., None] | None) -> RDBStorage:
    import optuna
    from sqlalchemy import event

    extra: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("postgresql"):
        extra["connect_args"] = {"connect_timeout": int(FIRST_SECONDS)}
    if file is not None:
        extra = {"creator": lambda: _connect(file)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        made = optuna.storages.RDBStorage(
            url.replace("{", "{{").replace("}", "}}"),
            engine_kwargs=extra,
            heartbeat_interval=heartbeat,
            grace_period=grace,
            heartbeat_stale_trial_callback=retry,
        )
    if file is not None:
        # Optuna locks a row before it changes it, which SQLite has not: two workers could start the same waiting trial.
        # A transaction that begins with the write lock keeps them apart, and never fails halfway for want of it.
        event.listen(made.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return made


def _connect(file: Path) -> sqlite3.Connection:
    """A connection that begins no transaction by itself; with a log, readers do not wait for a writer."""
    made = sqlite3.connect(file, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    made.execute("PRAGMA journal_mode=WAL")
    made.execute("PRAGMA synchronous=NORMAL")
    return made


def _check_file(file: Path) -> None:
    """Refuses a file that Optuna would spoil, or could not use."""
    if not file.parent.is_dir():
        raise SpecError(Problem(f"{file}: there is no folder {file.parent}"))
    if file.is_dir():
        raise SpecError(Problem(f"{file} is a folder, not a study"))
    if not file.exists() or not file.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(file, timeout=FIRST_SECONDS, isolation_level=None)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            # a study is written to: whoever holds the lock for long would stop us later
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        hint = "another program holds it; nothing was changed" if "locked" in str(error) else ""
        raise SpecError(Problem(f"{file}: {error}", hint=hint)) from None
    except sqlite3.DatabaseError as error:
        message = f"{file} is no study: {error}"
        raise SpecError(Problem(message, hint="it was left as it is; name another file with --study")) from None
    if tables and not {"studies", "trials"} <= tables:
        message = f"{file} is another program's database, with the tables {', '.join(sorted(tables))}"
        raise SpecError(Problem(message, hint="it was left as it is; name another file with --study"))


def _unreached(url: str, error: Exception) -> Problem:
    cause = getattr(error, "orig", None) or error.__cause__ or error
    cause = getattr(cause, "orig", None) or cause
    said = str(cause).strip().splitlines() or [type(cause).__name__]
    hint = "nothing was lost: what was stored is there when it answers again" if file_of(url) is None else ""
    return Problem(f"{shown(url)} cannot be used: {said[0]}", hint=hint)


@contextmanager
def failures(storage: str | Path) -> Iterator[None]:
    """Within, a storage that fails is the user's error, as it is when it is opened."""
    import optuna
    from sqlalchemy import exc

    try:
        yield
    except (exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise SpecError(_unreached(url_of(storage), error)) from None


def unbeaten(storage: RDBStorage, study: str) -> set[int]:
    """Numbers of a study's running trials that have never given a sign of life.

    Optuna takes a trial without one for alive for ever; one that is killed between its start and its first sign is not.
    """
    from sqlalchemy import text

    question = text(
        "SELECT t.number FROM trials t JOIN studies s ON s.study_id = t.study_id "
        "LEFT JOIN trial_heartbeats h ON h.trial_id = t.trial_id "
        "WHERE s.study_name = :study AND t.state = 'RUNNING' AND h.trial_id IS NULL"
    )
    with storage.engine.begin() as connection:
        return {number for (number,) in connection.execute(question, {"study": study})}
