"""The study of a search: Optuna's, in its own database, so that Optuna's tools work on it."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.errors import Problem, SpecError, did_you_mean
from vitdsl.search.ledger import RETRIES, Ledger, history
from vitdsl.search.pruners import pruner_of
from vitdsl.search.storage import display_url, failures, open_storage, unbeaten, url_of
from vitdsl.syntax.printer import dump_tree

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from vitdsl.search.file import Search

SETTLE = timedelta(seconds=2)
"""The least age of a failure before another worker than its finder retries it."""


@contextmanager
def study_of(
    search: Search, storage: str | Path, heartbeat: int = 60, grace: int = 120, retries: int = RETRIES
) -> Iterator[Study]:
    """The study of a search, which is created where it does not exist.

    Args:
        search: whose study it is.
        storage: a file, or a URL.
        heartbeat: seconds between two signs of life of a running trial.
        grace: seconds without one after which the worker counts as dead.
        retries: the number of retries of a candidate.

    Raises:
        SpecError: the storage cannot be used, or the study is of another search.
    """
    with open_storage(storage, heartbeat, grace, Retry(retries)) as database, failures(storage):
        study = study_in(database, search)
        _claim(study, search, url_of(storage))
        yield study


def study_in(storage: RDBStorage, search: Search) -> Study:
    """The study with the name of a search in an open storage; it may be of another search."""
    from optuna import create_study, logging
    from optuna.samplers import RandomSampler

    # Optuna would write a line for each trial to stderr, beside our progress
    logging.set_verbosity(logging.ERROR)
    return create_study(
        storage=storage,
        # our proposals hold every decision before Optuna starts their trials
        sampler=RandomSampler(0),
        pruner=pruner_of(search.file.pruner, len(search.file.rungs)),
        study_name=search.name,
        directions=list(search.file.objectives.values()),
        load_if_exists=True,
    )


@contextmanager
def existing_study(storage: str | Path, name: str | None = None) -> Iterator[Study]:
    """An existing study.

    Args:
        storage: a file, or a URL.
        name: which one; None: the only one.

    Raises:
        SpecError: the storage cannot be used, or there is no such study.
    """
    url = url_of(storage)
    if "://" not in str(storage) and not Path(storage).exists():
        raise SpecError(Problem(f"there is no study {storage}", hint="`vitdsl search FILE` makes one", code="E913"))
    with open_storage(storage) as database, failures(storage):
        from optuna import load_study
        from optuna.study import get_all_study_names

        names = get_all_study_names(database)
        if name is None and len(names) != 1:
            content = f"holds {len(names)} studies" if names else "holds no study"
            raise SpecError(
                Problem(
                    f"{display_url(url)} {content}", hint=f"name one: {', '.join(names)}" if names else "", code="E913"
                )
            )
        if name is not None and name not in names:
            raise SpecError(
                Problem(f"{display_url(url)} has no study `{name}`", hint=did_you_mean(name, names), code="E913")
            )
        study = load_study(study_name=name or names[0], storage=database)
        if "search" not in study.user_attrs:
            raise SpecError(
                Problem(
                    f"the study `{study.study_name}` of {display_url(url)} was not made by `vitdsl search`", code="E913"
                )
            )
        yield study


def portable(search: Search) -> str:
    """A search as text that needs no other file."""
    return dump_tree({**search.tree, "name": search.name, "space": search.space.spec.tree})


def search_of(study: Study) -> Search:
    """The search of a study.

    Raises:
        SpecError: it names a function that is not installed here, or what this version does not know.
    """
    from vitdsl.search.file import load_search

    return load_search(study.user_attrs["portable"])


def ledger_of(study: Study, retries: int = RETRIES) -> Ledger:
    """The present state of the study's trials."""
    return Ledger(study.get_trials(deepcopy=False), retries)


class Retry:
    """Queues a trial again whose worker died, with its measures so far."""

    def __init__(self, retries: int) -> None:
        self.retries = retries

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Queues a trial again, unless it never became a candidate or has been tried often enough."""
        from optuna import create_trial
        from optuna.trial import TrialState

        if "hash" not in trial.user_attrs or len(history(trial)) >= self.retries:
            return
        first = trial.system_attrs.get("failed_trial", trial.number)
        again = {**trial.system_attrs, "failed_trial": first, "retry_history": [*history(trial), trial.number]}
        study.add_trial(create_trial(
            state=TrialState.WAITING, params=trial.params, distributions=trial.distributions,
            user_attrs={**trial.user_attrs, "retry_of": trial.number}, system_attrs=again,
            intermediate_values=trial.intermediate_values,
        ))  # fmt: skip


def sweep(study: Study, storage: RDBStorage, grace: int, retries: int = RETRIES) -> Ledger:
    """Fails the trials whose workers are dead, and retries each.

    Args:
        study: whose trials.
        storage: its storage.
        grace: seconds after which a trial without a heartbeat fails.
        retries: the number of retries of a candidate.

    Returns:
        The state of the trials after it.
    """
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import fail_stale_trials

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        fail_stale_trials(study)
    ledger = ledger_of(study, retries)
    now = datetime.now()
    running = [trial for trial in ledger.trials if trial.state.name == "RUNNING"]
    late = [trial for trial in running if _older(trial.datetime_start, now, timedelta(seconds=grace))]
    silent = unbeaten(storage, study.study_name) if late else set()
    owed = [trial for trial in ledger.killed() if _older(trial.datetime_complete, now, SETTLE)]
    owed += [trial for trial in late if trial.number in silent and _failed(study, trial.number)]
    for trial in owed:
        Retry(retries)(study, trial)
    return ledger_of(study, retries) if owed else ledger


def _older(moment: datetime | None, now: datetime, age: timedelta) -> bool:
    return moment is not None and now - moment > age


def _failed(study: Study, number: int) -> bool:
    """Fails a trial; False where another worker did so before."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    try:
        study.tell(number, state=TrialState.FAIL)
    except (ValueError, UpdateFinishedTrialError):
        # another worker was faster
        return False
    return True


def _claim(study: Study, search: Search, url: str) -> None:
    """Stores the search in its study, or refuses a study of another search."""
    # the text is stored last: where it is, all attributes are
    own = {"space_hash": search.space.spec.hash, "portable": portable(search), "search": search.dump()}
    stored: Mapping[str, Any] = study.user_attrs
    name = f"the study `{study.study_name}` of {display_url(url)}"
    hint = "nothing was changed; name another study with --study, or give the search another name"
    if "search" not in stored:
        if study.get_trials(deepcopy=False):
            raise SpecError(Problem(f"{name} was not made by `vitdsl search`", hint=hint, code="E913"))
        for key, value in own.items():
            study.set_user_attr(key, value)
    elif stored.get("space_hash") != own["space_hash"]:
        message = f"{name} is of another space: {stored.get('space_hash')}, while this one is {own['space_hash']}"
        raise SpecError(Problem(message, hint=hint, code="E913"))
    elif stored["search"] != own["search"]:
        lines = difflib.ndiff(stored["search"].splitlines(), own["search"].splitlines())
        changes = [line for line in lines if line.startswith(("- ", "+ "))]
        message = "\n".join([f"{name} is of another search; it differs from this one in", *changes[:8]])
        raise SpecError(Problem(message, hint=hint, code="E913"))
    elif stored["portable"] != own["portable"]:
        # the same search with another budget
        study.set_user_attr("portable", own["portable"])
