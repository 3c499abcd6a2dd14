"""The state of a study's trials at one moment: which count, which are known, and which are pending."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

RETRIES = 5
"""The number of retries of a candidate whose worker died or was killed."""
SURPLUS, DUPLICATE, NOTHING = "surplus", "duplicate", "nothing was waiting"
"""Why a trial gave up before anything was measured; each begins the attribute `given_up`."""
COUNTED = ("COMPLETE", "PRUNED")
FAILED = "FAIL"
OPEN = ("RUNNING", "WAITING")


def history(trial: FrozenTrial) -> list[int]:
    """The trials that this one is a retry of, the first one first."""
    return trial.system_attrs.get("retry_history", [])


def origin(trial: FrozenTrial) -> int:
    """The number of the candidate's first trial."""
    return next(iter(history(trial)), trial.number)


class Ledger:
    """Counts of a study's trials.

    A candidate that is killed and retried is one candidate, with the place of its first trial.

    Args:
        trials: all of them, in order.
        retries: the number of retries of a candidate.

    Attributes:
        finished: the number of complete and pruned trials.
        live: the trials that are finished, run, wait, or will be retried.
        known: the first trial of every hash that must not be proposed again.
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
        """Failed trials that must be retried."""
        return [trial for trial in self.trials if self._killed(trial)]

    def surplus(self, trial: FrozenTrial, budget: int) -> bool:
        """Whether the candidates before a trial spend the budget."""
        return sum(origin(other) < origin(trial) for other in self.live) >= budget

    def twin(self, trial: FrozenTrial) -> int | None:
        """A live trial of the same candidate before this one, or None."""
        mine = trial.user_attrs["hash"]
        same = (other.number for other in self.live if other.user_attrs.get("hash") == mine)
        return next((number for number in same if number < trial.number), None)

    def failures(self, since: int = 0) -> list[str]:
        """The errors of the last candidates, as far as they failed one after another.

        Args:
            since: the first number of this run; causes of earlier failures may be mended.
        """
        errors: list[str] = []
        for trial in reversed(self.trials[since:]):
            if trial.state.name in COUNTED:
                break
            if "error" in trial.user_attrs:
                errors.append(trial.user_attrs["error"])
        return errors

    def _lives(self, trial: FrozenTrial) -> bool:
        name = trial.state.name
        return name in COUNTED or (name in OPEN and "hash" in trial.user_attrs) or self._killed(trial)

    def _killed(self, trial: FrozenTrial) -> bool:
        return (
            trial.state.name == FAILED
            and "hash" in trial.user_attrs
            and "given_up" not in trial.user_attrs
            and trial.number not in self._retried
            and len(history(trial)) < self.retries
        )

    @staticmethod
    def _withdrawn(trial: FrozenTrial) -> bool:
        return trial.user_attrs.get("given_up", "").startswith((SURPLUS, DUPLICATE))


def refusals(trials: Iterable[FrozenTrial]) -> dict[str, int]:
    """The number of candidates that were refused before they became trials, by reason."""
    counts: dict[str, int] = {}
    for trial in trials:
        if not history(trial):
            for reason, count in trial.user_attrs.get("refused", {}).items():
                counts[reason] = counts.get(reason, 0) + count
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))
