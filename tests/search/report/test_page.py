"""The page of a search: what stands on it is what the study says, and no text of a file becomes a tag."""

import json
import math
from collections import Counter

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from tests.search.pages import read
from tests.search.report.studies import EVIL, MANY, search_of, study_of
from vitdsl.search.report import write_report
from vitdsl.search.report.page import page
from vitdsl.search.results import UNSAID, rows_of


@pytest.mark.parametrize("count", [0, 1, 2, 12])
def test_any_number_of_candidates(count):
    search = search_of()
    made, data = read(page(study_of(search, MANY[:count]), search))
    rows = [attrs for tag, attrs in made.found if tag == "tr" and "data-number" in attrs]
    assert [row["data-number"] for row in rows] == [str(number) for number in range(count)]
    assert list(data["details"]) == [str(number) for number in range(count)]
    assert (data["parallel"] is None) == (count == 0)
    assert list(data["progress"]) == (["accuracy"] if count else [])
    assert bool(data["fronts"]) == bool(count)
    assert f"{count} of 40 candidates complete" in " ".join("".join(made.texts).split())


def test_nothing_is_asked_of_a_network():
    search = search_of()
    made, _ = read(page(study_of(search, MANY), search))
    assert Counter(tag for tag, _ in made.found)["script"] == 3
    assert not [attrs for _, attrs in made.found if {"src", "href"} & attrs.keys()]
    (policy,) = [attrs["content"] for tag, attrs in made.found if tag == "meta" and "http-equiv" in attrs]
    assert policy.startswith("default-src 'none';")


def test_texts_of_files_become_no_tags():
    search = search_of()
    spec = search.space.sample(0)
    study = optuna.create_study(direction="maximize")
    named = f"paper: {json.dumps({'title': EVIL})}\n{spec.dump()}"
    for number in range(3):
        study.add_trial(create_trial(value=0.5 + number, user_attrs={
            "decisions": {EVIL: f"{EVIL}{number}"}, "spec": named, "hash": f"{EVIL}{number}", "rung": 0,
            "measures": {EVIL: 1.0, "params": 3.0, "macs": 3.0 + number}, "refused": {EVIL: 2},
        }))  # fmt: skip
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={
        "decisions": {}, "spec": named, "hash": "x", "measures": {"params": 3.0}, "refused": {}, "error": EVIL,
    }))  # fmt: skip
    made, data = read(page(study, search))
    tags = Counter(tag for tag, _ in made.found)
    assert tags["script"] == 3
    assert "img" not in tags
    assert not [attrs for _, attrs in made.found if any(name.startswith("on") for name in attrs)]
    assert EVIL in "".join(made.texts)
    assert data["details"]["0"]["decisions"] == [[EVIL, f"{EVIL}0"]]
    (decision,) = [axis for axis in data["parallel"]["data"][0]["dimensions"] if "ticktext" in axis]
    assert decision.pop("ticktext") == [f"{EVIL}{number}" for number in range(3)]  # plotly reads no tags in these
    figures = json.dumps([data["fronts"], data["progress"], data["parallel"]["data"]])
    assert "<img" not in figures
    assert "&lt;img" in figures


def test_what_is_missing_or_no_number():
    search = search_of()
    study = study_of(search, [
        *MANY[:3], ("COMPLETE", {"accuracy": 0.9, "dss": math.nan, "loss": math.inf}), ("FAIL", {}),
        ("PRUNED", {"accuracy": math.nan}),
    ])  # fmt: skip
    made, data = read(page(study, search))
    assert "nan" in "".join(made.texts)
    assert ["loss", "inf"] in data["details"]["3"]["measures"]
    labels = [axis["label"] for axis in data["parallel"]["data"][0]["dimensions"]]
    assert "dss" not in labels
    assert data["fronts"]["accuracy against params"]["data"][0]["x"] == []


def test_each_failure_has_its_reason():
    """Also where a worker was killed, and could leave none."""
    search = search_of()
    study = study_of(search, [*MANY[:2], ("FAIL", {})])
    spec = search.space.sample(77)
    given = {"decisions": {}, "spec": spec.dump(), "hash": "x", "measures": {}}
    long = "RuntimeError: " + "very " * 40 + "long"
    for _ in range(2):
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={**given, "error": long}))
    made, data = read(page(study, search))
    assert long in made.texts
    assert UNSAID in made.texts
    assert [data["details"][number]["state"] for number in "234"] == [f"fail: {UNSAID}", *[f"fail: {long}"] * 2]


def test_trials_that_gave_up_are_no_candidates():
    search = search_of()
    study = study_of(search, MANY[:2])
    given = {"decisions": {}, "spec": "", "hash": "x", "measures": {}}
    for reason in ("surplus", "duplicate of trial 0", "nothing was waiting"):
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={**given, "given_up": reason}))
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"given_up": "nothing was waiting"}))
    assert [row.number for row in rows_of(study, search)] == [0, 1]


def test_a_page_is_replaced_whole(tmp_path, monkeypatch):
    search = search_of()
    path = tmp_path / "report.html"
    path.write_text("the last one")
    assert write_report(study_of(search, MANY[:2]), search, path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(FileNotFoundError):
        write_report(study_of(search, []), search, tmp_path / "nowhere" / "report.html")
