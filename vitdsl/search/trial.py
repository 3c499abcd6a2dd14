"""One trial: its candidate goes through the rungs until it fails, is pruned or is complete."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from vitdsl.errors import SpecError
from vitdsl.search.candidate import Candidate
from vitdsl.search.ledger import DUPLICATE, NOTHING, RETRIES, SURPLUS
from vitdsl.search.proposals import violation
from vitdsl.search.pruners import step_of
from vitdsl.search.study import ledger_of

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

    from vitdsl.search.evaluation import Evaluation
    from vitdsl.search.file import Search

FAULTS = (SpecError, ArithmeticError, RuntimeError, ValueError, MemoryError)
"""Exceptions that make one candidate fail, such as for want of memory; all others are faults of an evaluation."""


class TrialRunner:
    """The function that `study.optimize` calls for each trial.

    Args:
        study: the study.
        search: its search.
        folder: of the candidates' checkpoints, with a folder for each hash; None: there are none.
        device: where candidates are judged.
        retries: the number of retries of a candidate.

    Attributes:
        done: the last trial has ended here in any way; an exception after that is Optuna's.
    """

    def __init__(
        self, study: Study, search: Search, folder: Path | None = None, device: str = "cpu", retries: int = RETRIES
    ) -> None:
        self.study, self.search, self.folder, self.device, self.retries = study, search, folder, device, retries
        self.done = False
        self.reported: set[int] = set()

    def __call__(self, trial: Trial) -> list[float] | float:
        """Runs a trial.

        Returns:
            The objectives; NaN, which makes the trial fail, where the candidate failed or is not to be judged.

        Raises:
            TrialPruned: the candidate does not reach the next rung.
        """
        from optuna import TrialPruned
        from optuna.exceptions import UpdateFinishedTrialError

        self.done = False
        try:
            values = self._run(trial)
        except (TrialPruned, UpdateFinishedTrialError) as error:
            self.done = True
            if isinstance(error, TrialPruned):
                raise
            # another worker has already failed this trial as stale
            return math.nan
        self.done = True
        return values

    def _run(self, trial: Trial) -> list[float] | float:
        attributes = trial.user_attrs
        withdrawn = self._reason_to_withdraw(trial, attributes)
        if withdrawn is not None:
            trial.set_user_attr("given_up", withdrawn)
            return math.nan
        spec = self.search.space.replay(attributes["decisions"])
        folder = None if self.folder is None else self.folder / spec.hash
        candidate = Candidate(spec, self.search.file.seed, folder, self.device, attributes["measures"])
        done = attributes.get("rung", -1)
        for index, rung in enumerate(self.search.file.rungs):
            if index <= done:
                rung.restore(candidate)
            elif not self._measure(trial, candidate, index, rung):
                return math.nan
            if index >= done:
                self._promote(trial, candidate, index)
        return self._values(trial, candidate)

    def _reason_to_withdraw(self, trial: Trial, attributes: dict[str, Any]) -> str | None:
        """Why nothing is measured: another worker was faster, or the budget is spent; or None."""
        if "hash" not in attributes:
            return NOTHING
        ledger = ledger_of(self.study, self.retries)
        own = next(other for other in ledger.trials if other.number == trial.number)
        self.reported = set(own.intermediate_values)
        twin = ledger.twin(own)
        if twin is not None:
            return f"{DUPLICATE} of trial {twin}"
        return SURPLUS if ledger.surplus(own, self.search.file.budget.trials) else None

    def _measure(self, trial: Trial, candidate: Candidate, index: int, rung: Evaluation) -> bool:
        """Measures a rung and stores the result; False where it failed."""
        if candidate.folder is not None:
            candidate.folder.mkdir(parents=True, exist_ok=True)
        try:
            measures = rung.measure(candidate)
        except FAULTS as error:
            trial.set_user_attr("error", f"{rung.type}: {type(error).__name__}: {error}")
            trial.set_user_attr("given_up", f"rung {index} failed")
            return False
        candidate.measures.update(measures)
        trial.set_user_attr("measures", candidate.measures)
        trial.set_user_attr("rung", index)
        return True

    def _promote(self, trial: Trial, candidate: Candidate, index: int) -> None:
        """Reports the value of a rung to the pruner, and ends the trial by TrialPruned where it is not promoted."""
        file = self.search.file
        reason = violation(self.search.constraints, candidate.measures)
        if reason is not None:
            self._prune(trial, candidate, reason)
        if len(file.objectives) > 1:
            return
        measure = getattr(file.pruner, "measure", None) or next(iter(file.objectives))
        value = candidate.measures.get(measure)
        step = step_of(file.pruner, index)
        if value is None:
            return
        if step not in self.reported:
            trial.report(value, step)
        # after the last rung pruning saves nothing
        if index + 1 < len(file.rungs) and trial.should_prune():
            self._prune(trial, candidate, f"{file.pruner.type} after rung {index}")

    def _values(self, trial: Trial, candidate: Candidate) -> list[float]:
        values = [candidate.measures[name] for name in self.search.file.objectives]
        for name, value in zip(self.search.file.objectives, values, strict=True):
            if math.isnan(value):
                self._prune(trial, candidate, f"{name} is not a number")
        return values

    def _prune(self, trial: Trial, candidate: Candidate, reason: str) -> NoReturn:
        from optuna import TrialPruned

        trial.set_user_attr("pruned", reason)
        if candidate.folder is not None:
            # no rung resumes the checkpoints of a pruned candidate
            shutil.rmtree(candidate.folder, ignore_errors=True)
        raise TrialPruned(reason)
