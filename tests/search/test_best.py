"""The winners of a search as files."""

import json

import optuna
import pytest
from optuna.trial import create_trial

from tests.search.report.studies import EVIL, MANY, search_of, study_of
from vitdsl.compiler.build import build
from vitdsl.errors import SpecError
from vitdsl.search.best import write_best
from vitdsl.search.results import rows_of, winners
from vitdsl.spec import load


def test_winners_are_specs_that_build(tmp_path):
    search = search_of()
    study = study_of(search, [*MANY, ("PRUNED", {"accuracy": 0.99})])
    paths = write_best(study, search, tmp_path / "best", 3)
    rows = rows_of(study, search)
    assert [path.name for path in paths] == [
        f"digits_{place}_{rows[number].hash}.yaml" for place, number in enumerate((11, 10, 9), 1)
    ]
    for path, number in zip(paths, (11, 10, 9), strict=True):
        spec = load(path)
        assert spec.hash == rows[number].hash
        assert sum(p.numel() for p in build(spec).parameters()) == rows[number].measures["params"]
    lines = paths[0].read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# candidate 1 of the search digits: trial 11"
    for decision in rows[11].decisions.items():
        assert "#   {}: {}".format(*decision) in lines
    assert f"#   accuracy: {rows[11].measures['accuracy']!r} (0.61)" in lines
    assert sorted(entry.name for entry in (tmp_path / "best").iterdir()) == sorted(path.name for path in paths)


def test_one_objective_has_one_winner_and_several_have_a_front(tmp_path):
    search = search_of()
    assert len(write_best(study_of(search, MANY), search, tmp_path)) == 1
    both = search_of(objectives="{accuracy: maximize, params: minimize}")
    study = study_of(both, MANY)
    found = winners(rows_of(study, both), both)
    others = [row for row in rows_of(study, both) if row not in found]
    for row in others:
        assert any(
            w.measures["accuracy"] >= row.measures["accuracy"] and w.measures["params"] <= row.measures["params"]
            for w in found
        )
    assert 1 < len(found) < 12
    assert [row.measures["accuracy"] for row in found] == sorted((r.measures["accuracy"] for r in found), reverse=True)
    assert len(write_best(study, both, tmp_path / "front")) == len(found)


def test_an_architecture_wins_once(tmp_path):
    search = search_of()
    study = study_of(search, MANY[:3])
    twice = study.get_trials()[0]
    study.add_trial(create_trial(value=0.9, user_attrs=twice.user_attrs))
    study.add_trial(create_trial(value=0.1, user_attrs=twice.user_attrs))
    assert [row.number for row in winners(rows_of(study, search), search, 9)] == [3, 2, 1]


def test_minimized_objectives_have_the_least_first():
    search = search_of(objectives="{loss: minimize}")
    study = study_of(search, [("COMPLETE", {"loss": loss}) for loss in (3.0, 1.0, 2.0, float("inf"))])
    assert [row.measures["loss"] for row in winners(rows_of(study, search), search, 9)] == [1.0, 2.0, 3.0]


def test_without_a_candidate_there_is_no_winner(tmp_path):
    search = search_of()
    with pytest.raises(SpecError, match="no candidate of digits has gone through all rungs"):
        write_best(study_of(search, [("PRUNED", {"accuracy": 0.9})]), search, tmp_path / "best")
    assert not (tmp_path / "best").exists()


def test_no_text_ends_a_comment(tmp_path):
    search = search_of(name="one")
    spec = search.space.sample(0)
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(value=1.0, user_attrs={
        "decisions": {"a\nstages: []": EVIL, "b\r\x85c": "d\u2028e"}, "spec": spec.dump(), "hash": spec.hash,
        "measures": {"m\nn": 1.0},
    }))  # fmt: skip
    (path,) = write_best(study, search, tmp_path)
    assert path.parent == tmp_path
    assert load(path).hash == spec.hash
    head = path.read_text(encoding="utf-8").removesuffix(spec.dump())
    assert all(line.startswith("# ") for line in head.split("\n")[:-1])
    assert json.dumps("a\nstages: []") in head
