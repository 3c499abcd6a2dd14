"""The storage of a study: a file or a server. Faults are found before anything is written."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.errors import Problem, SpecError
from vitdsl.search import INSTALL

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

LOCK_SECONDS = 60.0
"""The longest wait of a writer for the transaction of another one."""
FIRST_SECONDS = 5.0
"""The longest wait for the first answer of a file or a server."""
SQLITE = "sqlite:///"


def url_of(storage: str | Path) -> str:
    """The SQLAlchemy URL of a storage: a file is SQLite, and the driver of PostgreSQL is psycopg 3.

    Args:
        storage: a path, or a URL such as `postgresql://user@host/name`.
    """
    text = str(storage)
    if "://" not in text:
        return f"{SQLITE}{Path(text).absolute()}"
    scheme, _, rest = text.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else text


def file_of(url: str) -> Path | None:
    """The file of an SQLite URL, or None for a server."""
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


@contextmanager
def open_storage(
    storage: str | Path, heartbeat: int = 60, grace: int = 120, retry: Callable[..., None] | None = None
) -> Iterator[RDBStorage]:
    """Optuna's storage, closed at the end.

    Args:
        storage: a path, or a URL.
        heartbeat: seconds between two signs of life of a running trial.
        grace: seconds without one after which the worker counts as dead.
        retry: is called with the study and a trial whose worker is dead.

    Raises:
        SpecError: it is not a database, is locked, does not answer, or is of another program or version of Optuna.
    """
    try:
        import optuna
        from sqlalchemy import exc
    except ModuleNotFoundError as error:
        raise SpecError(Problem(f"searches need {error.name}", hint=INSTALL, code="E601")) from None
    url = url_of(storage)
    file = file_of(url)
    if file is not None:
        _check_file(file)
    try:
        database = _database(url, file, heartbeat, grace, retry)
    except (exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise SpecError(_unreached(url, error)) from None
    except ImportError:
        driver = url.partition("://")[0]
        raise SpecError(
            Problem(
                f"{display_url(url)} needs a driver for {driver}, which is not installed", hint=INSTALL, code="E601"
            )
        ) from None
    except RuntimeError as error:
        # Optuna's error for tables of other versions
        raise SpecError(Problem(f"{display_url(url)}: {error}", code="E912")) from None
    try:
        yield database
    finally:
        database.remove_session()
        database.engine.dispose()


def display_url(url: str) -> str:
    """A storage in messages: the file, or the URL without its password."""
    file = file_of(url)
    if file is not None:
        return str(file)
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url.partition("://")[0]


def _database(url: str, file: Path | None, heartbeat: int, grace: int, retry: Callable[..., None] | None) -> RDBStorage:
    import optuna
    from sqlalchemy import event

    extra: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("postgresql"):
        extra["connect_args"] = {"connect_timeout": int(FIRST_SECONDS)}
    if file is not None:
        extra = {"creator": lambda: _connect(file)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        database = optuna.storages.RDBStorage(
            url.replace("{", "{{").replace("}", "}}"),
            engine_kwargs=extra,
            heartbeat_interval=heartbeat,
            grace_period=grace,
            heartbeat_stale_trial_callback=retry,
        )
    if file is not None:
        # Optuna locks a row before it changes it, but SQLite cannot: two workers could start the same waiting trial.
        # A transaction that begins with the write lock prevents this, and cannot fail later for want of it.
        event.listen(database.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return database


def _connect(file: Path) -> sqlite3.Connection:
    """A connection that begins no transaction by itself; with a write-ahead log, readers do not wait for a writer."""
    connection = sqlite3.connect(file, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _check_file(file: Path) -> None:
    """Refuses a file that Optuna would damage, or could not use."""
    if not file.parent.is_dir():
        raise SpecError(Problem(f"{file}: there is no folder {file.parent}", code="E912"))
    if file.is_dir():
        raise SpecError(Problem(f"{file} is a folder, not a study", code="E912"))
    if not file.exists() or not file.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(file, timeout=FIRST_SECONDS, isolation_level=None)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            # a study needs the write lock: a program that holds it for long would stop us later
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        hint = "another program holds it; nothing was changed" if "locked" in str(error) else ""
        raise SpecError(Problem(f"{file}: {error}", hint=hint, code="E912")) from None
    except sqlite3.DatabaseError as error:
        message = f"{file} is no study: {error}"
        raise SpecError(
            Problem(message, hint="it was left as it is; name another file with --study", code="E912")
        ) from None
    if tables and not {"studies", "trials"} <= tables:
        message = f"{file} is another program's database, with the tables {', '.join(sorted(tables))}"
        raise SpecError(Problem(message, hint="it was left as it is; name another file with --study", code="E912"))


def _unreached(url: str, error: Exception) -> Problem:
    cause = getattr(error, "orig", None) or error.__cause__ or error
    cause = getattr(cause, "orig", None) or cause
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    hint = "nothing was lost: what was stored is there when it answers again" if file_of(url) is None else ""
    return Problem(f"{display_url(url)} cannot be used: {lines[0]}", hint=hint, code="E912")


@contextmanager
def failures(storage: str | Path) -> Iterator[None]:
    """Turns faults of a storage into SpecErrors within, as `open_storage` does."""
    import optuna
    from sqlalchemy import exc

    try:
        yield
    except (exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise SpecError(_unreached(url_of(storage), error)) from None


def unbeaten(storage: RDBStorage, study: str) -> set[int]:
    """Numbers of a study's running trials without any heartbeat.

    For Optuna such a trial never becomes stale, but its worker may have died between the start and the first heartbeat.
    """
    from sqlalchemy import text

    question = text(
        "SELECT t.number FROM trials t JOIN studies s ON s.study_id = t.study_id "
        "LEFT JOIN trial_heartbeats h ON h.trial_id = t.trial_id "
        "WHERE s.study_name = :study AND t.state = 'RUNNING' AND h.trial_id IS NULL"
    )
    with storage.engine.begin() as connection:
        return {number for (number,) in connection.execute(question, {"study": study})}
