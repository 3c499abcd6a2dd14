"""The pruners of search files as Optuna's."""

import optuna
import pytest

from vitdsl.search.pruners import PRUNERS, pruner_of, step_of


def settings(**fields):
    return PRUNERS[fields["type"]](**fields)


def test_each_rung_of_a_search_is_one_of_the_pruner():
    for name in ("halving", "hyperband"):
        chosen = settings(type=name, min_resource=2, reduction_factor=3)
        assert [step_of(chosen, rung) for rung in range(3)] == [2, 6, 18]
    late = settings(type="halving", min_resource=2, reduction_factor=3, min_early_stopping_rate=1)
    assert [step_of(late, rung) for rung in range(3)] == [6, 18, 54]
    assert [step_of(settings(type="median"), rung) for rung in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(("rungs", "most"), [(0, 2), (1, 2), (2, 6), (3, 18)])
def test_the_last_rung_has_the_resource_of_hyperband(monkeypatch, rungs, most):
    calls = []
    monkeypatch.setattr(optuna.pruners, "HyperbandPruner", lambda *args: calls.append(args))
    pruner_of(settings(type="hyperband", min_resource=2, reduction_factor=3), rungs)
    assert calls == [(2, most, 3)]


@pytest.mark.parametrize(("name", "fields", "cls"), [
    ("median", {"n_startup_trials": 3}, optuna.pruners.MedianPruner), ("none", {}, optuna.pruners.NopPruner),
    ("halving", {"reduction_factor": 2}, optuna.pruners.SuccessiveHalvingPruner),
    ("hyperband", {"reduction_factor": 2}, optuna.pruners.HyperbandPruner),
])  # fmt: skip
def test_pruners_are_those_of_optuna(name, fields, cls):
    assert type(pruner_of(settings(type=name, **fields), 2)) is cls
