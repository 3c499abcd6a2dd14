"""What the trials of a study say at one moment: what counts, what must not be judged again, what is still to come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

RETRIES = 5
"""How often a candidate is tried again whose worker died of it, or was killed."""
SURPLUS, DUPLICATE, NOTHING = "surplus", "duplicate", "nothing was waiting"
"""Why a trial gave up before anything was measured; each begins the attribute `given_up`."""
COUNTED = ("COMPLETE", "PRUNED")
OPEN = ("RUNNING", "WAITING")


def history(trial: FrozenTrial) -> list[int]:
    """The trials that this one is a retry of, the first one first."""
    return trial.system_attrs.get("retry_history", [])


def origin(trial: FrozenTrial) -> int:
    """The number that a candidate was first given."""
    return next(iter(history(trial)), trial.number)


class Ledger:
    """Counts of a study's trials.

    A candidate that is killed and tried again is one candidate, whose place in the order is that of its first trial.

    Args:
        trials: all of them, in order.
        retries: how often a candidate is tried again.

    Attributes:
        finished: how many count: complete or pruned.
        live: the trials that count, run, wait, or will be retried.
        known: the first trial of every hash that is not to be proposed again.
    """

    def __init__(self, trials: Sequence[FrozenTrial], retries: int = RETRIES) -> None:
        self.trials, self.retries = trials, retries
        self._retried = {history(trial)[-1] for trial in trials if history(trial)}
        self.live = [trial for trial in trials if self._lives(trial)]
        self.finished = sum(trial.state.name in COUNTED for trial in trials)
        self.known: dict[str, int] = {}
        for trial in trials:
            if "hash" in trial.user_attrs and not self._withdrawn(trial):
                self.known.setdefault(trial.user_attrs["hash"], trial.number)

    def killed(self) -> list[FrozenTrial]:
        """Failed trials that are owed another try."""
        return [trial for trial in self.trials if self._killed(trial)]

    def surplus(self, trial: FrozenTrial, budget: int) -> bool:
        """Whether as many candidates as the budget has come before a trial."""
        return sum(origin(other) < origin(trial) for other in self.live) >= budget

    def twin(self, trial: FrozenTrial) -> int | None:
        """A trial of the same candidate that comes before this one and lives, or None."""
        mine = trial.user_attrs["hash"]
        same = (other.number for other in self.live if other.user_attrs.get("hash") == mine)
        return next((number for number in same if number < trial.number), None)

    def failures(self, since: int = 0) -> list[str]:
        """What the candidates that failed last, one after another, failed of.

        Args:
            since: trials with lower numbers are of an earlier run, and what was wrong then may be mended.
        """
        found: list[str] = []
        for trial in reversed(self.trials[since:]):
            if trial.state.name in COUNTED:
                break
            if "error" in trial.user_attrs:
                found.append(trial.user_attrs["error"])
        return found

    def _lives(self, trial: FrozenTrial) -> bool:
        name = trial.state.name
        return name in COUNTED or (name in OPEN and "hash" in trial.user_attrs) or self._killed(trial)

    def _killed(self, trial: FrozenTrial) -> bool:
        return (
            trial.state.name == "FAIL"
            and "hash" in trial.user_attrs
            and "given_up" not in trial.user_attrs
            and trial.number not in self._retried
            and len(history(trial)) < self.retries
        )

    @staticmethod
    def _withdrawn(trial: FrozenTrial) -> bool:
        return trial.user_attrs.get("given_up", "").startswith((SURPLUS, DUPLICATE))


def refusals(trials: Iterable[FrozenTrial]) -> dict[str, int]:
    """How many candidates were refused before they became trials, by reason."""
    found: dict[str, int] = {}
    for trial in trials:
        if not history(trial):
            for reason, count in trial.user_attrs.get("refused", {}).items():
                found[reason] = found.get(reason, 0) + count
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))
