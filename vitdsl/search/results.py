"""The results of a study: its candidates as plain values, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from vitdsl.search.ledger import COUNTED, DUPLICATE, FAILED, NOTHING, SURPLUS

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from vitdsl.search.file import Search

DONE = "COMPLETE"
UNSAID = "its worker ended and left no reason: it was killed, or was short of memory"
Item = TypeVar("Item")


class Row(NamedTuple):
    """One candidate.

    Attributes:
        number: of its trial.
        state: COMPLETE, PRUNED, RUNNING, WAITING or FAIL.
        decisions: by written path.
        measures: all measures with the costs; where several rungs give the same one, that of the last.
        spec: canonical YAML.
        hash: of the spec.
        rung: the last finished rung, from 0, or None.
        retry_of: the trial that this one repeats.
        seconds: between start and end of the trial, or None.
        problem: the reason why it failed or was pruned.
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
        value = self.measures.get(name)
        return value if value is not None and math.isfinite(value) else None

    def values(self, names: Iterable[str]) -> list[float]:
        """Several measures; KeyError where one is not there."""
        return [self.measures[name] for name in names]


def rows_of(study: Study, search: Search) -> list[Row]:
    """The candidates of a study, in order, without trials that gave up before the first rung."""
    names = list(search.file.objectives)
    withdrawn = (SURPLUS, DUPLICATE, NOTHING)
    return [
        _row(trial, names) for trial in study.get_trials(deepcopy=False)
        if "hash" in trial.user_attrs and not trial.user_attrs.get("given_up", "").startswith(withdrawn)
    ]  # fmt: skip


def _row(trial: FrozenTrial, objectives: Sequence[str]) -> Row:
    attributes = trial.user_attrs
    values = dict(zip(objectives, trial.values or (), strict=False))
    start, end = trial.datetime_start, trial.datetime_complete
    seconds = (end - start).total_seconds() if start and end else None
    problem = next((attributes[key] for key in ("error", "pruned", "given_up") if key in attributes), "")
    if trial.state.name == FAILED and not problem:
        problem = UNSAID
    return Row(
        trial.number, trial.state.name, attributes.get("decisions", {}), {**attributes.get("measures", {}), **values},
        attributes["spec"], attributes["hash"], attributes.get("rung"), attributes.get("retry_of"),
        seconds, problem,
    )  # fmt: skip


def repeated_measures(search: Search) -> set[str]:
    """Measures that several rungs give: their values depend on the last rung of a candidate."""
    names = [name for rung in search.file.rungs for name in dict.fromkeys(rung.names())]
    return {name for name in names if names.count(name) > 1}


def comparable(rows: Sequence[Row], search: Search, *names: str) -> list[Row]:
    """The candidates that have some measures, of the same rung."""
    states = {DONE} if repeated_measures(search).intersection(names) else set(COUNTED)
    return [row for row in rows if row.state in states and all(row.value(name) is not None for name in names)]


def complete(rows: Sequence[Row], search: Search) -> list[Row]:
    """The candidates that went through all rungs, each architecture once; the best by the first objective first."""
    objectives = search.file.objectives
    (first, direction), *_ = objectives.items()
    done = [row for row in rows if row.state == DONE and all(row.value(name) is not None for name in objectives)]
    best: dict[str, Row] = {}
    for row in sorted(done, key=lambda row: row.measures[first], reverse=direction == "maximize"):
        best.setdefault(row.hash, row)
    return list(best.values())


def gains(values: Iterable[float], directions: Iterable[str]) -> tuple[float, ...]:
    """Values with the sign that makes more better.

    Args:
        values: one for each objective.
        directions: `maximize` or `minimize`, in the same order.
    """
    pairs = zip(values, directions, strict=True)
    return tuple(value if direction == "maximize" else -value for value, direction in pairs)


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether gains are nowhere less than others, and somewhere more."""
    return one != other and all(own >= theirs for own, theirs in zip(one, other, strict=True))


def pareto(points: Iterable[tuple[Item, Sequence[float]]], directions: Iterable[str]) -> list[Item]:
    """The items that no other one dominates.

    Args:
        points: items, each with its values.
        directions: `maximize` or `minimize` for each value.

    Returns:
        In the order of the first value, the best first; all of equal ones, in the given order.
    """
    directions = tuple(directions)
    ordered = [(gains(values, directions), item) for item, values in points]
    ordered.sort(key=lambda point: point[0], reverse=True)
    front: list[tuple[tuple[float, ...], Item]] = []
    for own, item in ordered:
        # a dominated point is dominated by a point of the front that comes before it
        if not any(dominates(other, own) for other, _ in front):
            front.append((own, item))
    return [item for _, item in front]


def winners(rows: Sequence[Row], search: Search, count: int | None = None) -> list[Row]:
    """The best candidates: with one objective in its order, with several their front in the order of the first.

    Args:
        rows: of the study.
        search: whose objectives these are.
        count: the largest number of them; None: the best one, or the whole front.
    """
    done, objectives = complete(rows, search), search.file.objectives
    if len(objectives) == 1:
        return done[: 1 if count is None else count]
    return pareto(((row, row.values(objectives)) for row in done), objectives.values())[:count]
