"""What a study found: its candidates as plain values, which of them are best, and the front of several measures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vitdsl.search.ledger import COUNTED, DUPLICATE, NOTHING, SURPLUS

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from vitdsl.search.file import Search

DONE = "COMPLETE"


class Row(NamedTuple):
    """One candidate.

    Attributes:
        number: of its trial.
        state: COMPLETE, PRUNED, RUNNING, WAITING or FAIL.
        decisions: by written path.
        measures: what was measured, costs included; the last rung's where several measure the same.
        spec: canonical YAML.
        hash: of the spec.
        rung: the last that was done, from 0; None: none was.
        retry_of: the trial that this one repeats.
        seconds: between start and end of the trial, or None.
        problem: why it failed, or was pruned.
    """

    number: int
    state: str
    decisions: Mapping[str, Any]
    measures: Mapping[str, float]
    spec: str
    hash: str
    rung: int | None
    retry_of: int | None
    seconds: float | None
    problem: str

    def value(self, name: str) -> float | None:
        """A measure, where it is a finite number."""
        found = self.measures.get(name)
        return found if found is not None and math.isfinite(found) else None


def rows_of(study: Study, search: Search) -> list[Row]:
    """The candidates of a study, in order; trials that gave up before anything was measured are none."""
    names = list(search.file.objectives)
    withdrawn = (SURPLUS, DUPLICATE, NOTHING)
    return [
        _row(trial, names) for trial in study.get_trials(deepcopy=False)
        if "hash" in trial.user_attrs and not trial.user_attrs.get("given_up", "").startswith(withdrawn)
    ]  # fmt: skip


def _row(trial: FrozenTrial, objectives: Sequence[str]) -> Row:
    said = trial.user_attrs
    values = dict(zip(objectives, trial.values or (), strict=False))
    lasted = (
        trial.datetime_complete - trial.datetime_start if trial.datetime_complete and trial.datetime_start else None
    )
    return Row(
        trial.number, trial.state.name, said.get("decisions", {}), {**said.get("measures", {}), **values},
        said["spec"], said["hash"], said.get("rung"), said.get("retry_of"),
        lasted.total_seconds() if lasted else None, said.get("error", said.get("pruned", said.get("given_up", ""))),
    )  # fmt: skip


def changing(search: Search) -> set[str]:
    """Measures whose numbers hang on how far a candidate came: those that several rungs give."""
    given = [name for rung in search.file.rungs for name in dict.fromkeys(rung.names())]
    return {name for name in given if given.count(name) > 1}


def comparable(rows: Sequence[Row], search: Search, *names: str) -> list[Row]:
    """The candidates of which some measures are there and mean the same."""
    states = {DONE} if changing(search).intersection(names) else set(COUNTED)
    return [row for row in rows if row.state in states and all(row.value(name) is not None for name in names)]


def complete(rows: Sequence[Row], search: Search) -> list[Row]:
    """The candidates that went through all rungs, each architecture once; the best by the first objective first."""
    (first, direction), *_ = search.file.objectives.items()
    sign = -1 if direction == "maximize" else 1
    done = [
        row for row in rows if row.state == DONE and all(row.value(name) is not None for name in search.file.objectives)
    ]
    ordered = sorted(done, key=lambda row: (sign * row.measures[first], row.number))
    best: dict[str, Row] = {}
    for row in ordered:
        best.setdefault(row.hash, row)
    return list(best.values())


def front(rows: Sequence[Row], directions: Mapping[str, str]) -> list[Row]:
    """The rows that no other one is at least as good as in everything, and better in something.

    Args:
        rows: with all measures.
        directions: `maximize` or `minimize` by measure.

    Returns:
        In the order of the first measure, the best first; of equal ones all.
    """
    signs = [(name, 1 if direction == "maximize" else -1) for name, direction in directions.items()]
    points = [(tuple(sign * row.measures[name] for name, sign in signs), row) for row in rows]
    points.sort(key=lambda point: (tuple(-value for value in point[0]), point[1].number))
    kept: list[tuple[tuple[float, ...], Row]] = []
    for mine, row in points:
        # whatever is worse than something is worse than something that was kept, and comes after it
        if not any(dominates(other, mine) for other, _ in kept):
            kept.append((mine, row))
    return [row for _, row in kept]


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether values, of which more is better, are nowhere worse than others, and somewhere better."""
    return one != other and all(mine >= theirs for mine, theirs in zip(one, other, strict=True))


def winners(rows: Sequence[Row], search: Search, count: int | None = None) -> list[Row]:
    """The best candidates: by one objective in its order, by several their front in the order of the first.

    Args:
        rows: of the study.
        search: whose objectives these are.
        count: how many at most; None: the best one, or the whole front.
    """
    done = complete(rows, search)
    objectives = search.file.objectives
    if len(objectives) == 1:
        return done[: 1 if count is None else count]
    return front(done, objectives)[:count]
