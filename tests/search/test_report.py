"""The page of a search: what stands on it is what the study says, and no text of a file becomes a tag."""

import json
import math
from collections import Counter

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from tests.search.pages import read
from vitdsl.search.file import load_search
from vitdsl.search.proposals import costs_of
from vitdsl.search.report import write_report
from vitdsl.search.report.correlations import correlation_table
from vitdsl.search.report.page import page
from vitdsl.search.results import rows_of, winners

SEARCH = """
name: {name}
space:
  input: {{size: 8, channels: 1, mean: [0.5], std: [0.5]}}
  classes: 10
  stages:
    - tokenizer: {{type: patch, size: 2, dim: {{choose: [8, 16, 32]}}}}
      depth: {{range: [1, 4]}}
      block: {{choose: {{attention: [{{mixer: {{type: global, heads: {{choose: [1, 2]}}}}}}, {{mlp: {{ratio: 2}}}}], plain: [{{mlp: {{ratio: 2}}}}]}}}}
  head: {{pool: mean}}
objectives: {objectives}
rungs:
  - {{type: proxies, names: [dss, az_nas]}}
  - {{type: train, epochs: 1}}
  - {{type: train, epochs: 3}}
budget: {{trials: 40}}
"""  # noqa: E501
EVIL = "</script><script>alert('<!--')</script><img src=x onerror=alert(1)>&amp;\u2028"


def search_of(name="digits", objectives="{accuracy: maximize}"):
    return load_search(SEARCH.format(name=json.dumps(name), objectives=objectives))


def study_of(search, trials):
    """A study of trials given as (state, measures beside the costs); each is another architecture."""
    study = optuna.create_study(directions=list(search.file.objectives.values()))
    seen = set()
    seeds = (seed for seed in range(10_000) if (h := search.space.sample(seed).hash) not in seen and not seen.add(h))
    for (state, measures), seed in zip(trials, seeds, strict=False):
        spec = search.space.sample(seed)
        measures = {**costs_of(spec.analyze()), **measures}
        values = [measures[name] for name in search.file.objectives] if state == "COMPLETE" else None
        attributes = {"decisions": dict(spec.decisions), "spec": spec.dump(), "hash": spec.hash, "measures": measures}
        study.add_trial(create_trial(
            state=TrialState[state], values=values, user_attrs={**attributes, "rung": 2, "refused": {"params > 9k": 3}}
        ))  # fmt: skip
    return study


MANY = [
    ("COMPLETE", {"dss": float(number), "accuracy": 0.5 + 0.01 * number, "loss": 1.0, "seconds": 2.0})
    for number in range(12)
]


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


def test_points_are_what_was_measured():
    search = search_of()
    study = study_of(search, [*MANY, ("PRUNED", {"dss": 1.0, "accuracy": 0.2}), ("RUNNING", {})])
    _, data = read(page(study, search))
    assert list(data["fronts"])[:2] == ["accuracy against params", "accuracy against macs"]
    pruned, others, best = data["fronts"]["accuracy against params"]["data"]
    rows = rows_of(study, search)
    for trace in (pruned, others, best):
        assert [rows[number].measures["params"] for number in trace["customdata"]] == list(trace["x"])
        assert [rows[number].measures["accuracy"] for number in trace["customdata"]] == list(trace["y"])
    assert pruned["customdata"] == [12]
    assert sorted([*others["customdata"], *best["customdata"]]) == list(range(12))
    assert best["customdata"][-1] == 11  # the most accurate is on every front
    running, _, done = data["progress"]["accuracy"]["data"]
    assert running["y"] == [0.5 + 0.01 * number for number in range(12)]
    assert done["customdata"] == list(range(12))


def test_what_stands_behind_a_point():
    search = search_of()
    study = study_of(search, MANY[:1])
    _, data = read(page(study, search))
    (row,) = rows_of(study, search)
    found = data["details"]["0"]
    assert found["spec"] == row.spec
    assert found["decisions"] == [[path, str(value)] for path, value in row.decisions.items()]
    assert ["accuracy", "0.5"] in found["measures"]
    assert [name for name, *_ in found["stages"]] == ["stages.0", "head"]


def test_parallel_coordinates_are_the_decisions_that_differ():
    search = search_of()
    study = study_of(search, MANY)
    _, data = read(page(study, search))
    axes = {axis["label"]: axis for axis in data["parallel"]["data"][0]["dimensions"]}
    rows = rows_of(study, search)
    order = [rows[number] for number in data["parallel"]["numbers"]]
    heads = axes["stages[0].block[0].mixer.heads"]
    assert heads["ticktext"] == ["–", "1", "2"]
    assert [heads["ticktext"][value] for value in heads["values"]] == [
        str(row.decisions.get("stages[0].block[0].mixer.heads", "–")) for row in order
    ]
    assert list(axes)[-1] == "accuracy"
    assert axes["params"]["values"] == [row.measures["params"] for row in order]
    assert "az_nas.expressivity" not in axes  # nobody has it


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
    figures = json.dumps([data["fronts"], data["progress"], data["parallel"]])
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


def test_trials_that_gave_up_are_no_candidates():
    search = search_of()
    study = study_of(search, MANY[:2])
    given = {"decisions": {}, "spec": "", "hash": "x", "measures": {}}
    for reason in ("surplus", "duplicate of trial 0", "nothing was waiting"):
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={**given, "given_up": reason}))
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"given_up": "nothing was waiting"}))
    assert [row.number for row in rows_of(study, search)] == [0, 1]


def test_several_objectives():
    search = search_of(objectives="{accuracy: maximize, macs: minimize}")
    study = study_of(search, MANY)
    _, data = read(page(study, search))
    assert {"accuracy against macs", "macs against accuracy", "macs against params"} <= data["fronts"].keys()
    assert list(data["progress"]) == ["accuracy", "macs"]
    best = {row.number for row in winners(rows_of(study, search), search)}
    assert set(data["fronts"]["accuracy against macs"]["data"][2]["customdata"]) == best


# ---------------------------------------------------------------- numbers


def test_correlations_by_hand():
    search = search_of()
    entries = [
        ("COMPLETE", {"params": 1, "macs": 4, "dss": 1.0, "accuracy": 0.1}),
        ("COMPLETE", {"params": 2, "macs": 3, "dss": 3.0, "accuracy": 0.2}),
        ("COMPLETE", {"params": 3, "macs": 2, "dss": 2.0, "accuracy": 0.3}),
        ("COMPLETE", {"params": 4, "macs": 1, "dss": 4.0, "accuracy": 0.4}),
        ("PRUNED", {"params": 5, "macs": 0, "dss": math.nan, "accuracy": 0.0}),
        ("PRUNED", {"params": 6, "macs": -1, "dss": 5.0, "accuracy": 0.05}),
    ]
    against, found = correlation_table(rows_of(study_of(search, entries), search), search)
    assert against == ["params", "macs", "accuracy"]
    # d² of the ranks of dss and params: 0, 1, 1, 0, 0; one of ten pairs is out of order
    assert found["dss"][0] == (pytest.approx(1 - 6 * 2 / (5 * 24), rel=1e-12), pytest.approx(0.8, rel=1e-12), 5)
    assert found["dss"][1].spearman == pytest.approx(-0.9, rel=1e-12)
    # accuracy of the pruned is that of another rung
    assert found["dss"][2] == (pytest.approx(0.8, rel=1e-12), pytest.approx(2 / 3, rel=1e-12), 4)
    assert found["params"] == [
        (None, None, 6),
        (pytest.approx(-1, rel=1e-12), pytest.approx(-1, rel=1e-12), 6),
        (pytest.approx(1, rel=1e-12), pytest.approx(1, rel=1e-12), 4),
    ]
    assert "az_nas (ranks together)" not in found


def test_components_are_ranked_together():
    search = search_of()
    parts = ("az_nas.expressivity", "az_nas.trainability", "az_nas.complexity")
    numbers = [(1, 2, 1), (2, 1, 2), (3, 3, 3)]
    entries = [
        (
            "COMPLETE",
            {"params": 10 * index, "accuracy": 0.1 * index, **dict(zip(parts, map(float, given), strict=True))},
        )
        for index, given in enumerate(numbers, 1)
    ]
    _, found = correlation_table(rows_of(study_of(search, entries), search), search)
    # Σ log(rank / 3) is log(2 / 27), log(4 / 27), 0: in order
    assert found["az_nas (ranks together)"][0] == (pytest.approx(1, rel=1e-12), pytest.approx(1, rel=1e-12), 3)
    assert found["az_nas.trainability"][0].kendall == pytest.approx(1 / 3, rel=1e-12)


def test_two_candidates_have_no_rank_correlation():
    search = search_of()
    _, found = correlation_table(rows_of(study_of(search, MANY[:2]), search), search)
    assert {pair.spearman for pairs in found.values() for pair in pairs} == {None}


def test_a_page_is_replaced_whole(tmp_path, monkeypatch):
    search = search_of()
    path = tmp_path / "report.html"
    path.write_text("the last one")
    assert write_report(study_of(search, MANY[:2]), search, path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(FileNotFoundError):
        write_report(study_of(search, []), search, tmp_path / "nowhere" / "report.html")
