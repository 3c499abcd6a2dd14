"""What the figures show is what was measured."""

from tests.search.pages import read
from tests.search.report.studies import MANY, search_of, study_of
from vitdsl.search.report.page import page
from vitdsl.search.results import rows_of, winners


def test_points_are_what_was_measured():
    search = search_of()
    study = study_of(search, [*MANY, ("PRUNED", {"dss": 1.0, "accuracy": 0.2}), ("RUNNING", {})])
    _, data = read(page(study, search))
    assert list(data["fronts"])[:2] == ["accuracy against params", "accuracy against macs"]
    pruned, others, front, best = data["fronts"]["accuracy against params"]["data"]
    rows = rows_of(study, search)
    for trace in (pruned, others, best):
        assert [rows[number].measures["params"] for number in trace["customdata"]] == list(trace["x"])
        assert [rows[number].measures["accuracy"] for number in trace["customdata"]] == list(trace["y"])
    assert pruned["customdata"] == [12]
    assert sorted([*others["customdata"], *best["customdata"]]) == list(range(12))
    assert best["customdata"] == [11]
    assert front["y"][-1] == rows[11].measures["accuracy"]  # the most accurate is on every front
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


def test_several_objectives():
    search = search_of(objectives="{accuracy: maximize, macs: minimize}")
    study = study_of(search, MANY)
    _, data = read(page(study, search))
    assert list(data["fronts"])[:3] == [
        "accuracy against macs",
        "accuracy against params",
        "accuracy against activation_bytes",
    ]
    assert "macs against params" in data["fronts"]
    assert list(data["progress"]) == ["accuracy", "macs"]
    best = {row.number for row in winners(rows_of(study, search), search)}
    for figure in data["fronts"].values():
        *_, line, marked = figure["data"]
        assert (line["name"], marked["name"]) == ("front of these two", "the search's front")
        assert set(marked["customdata"]) == best  # whatever is plotted, what the headline names is marked


# ---------------------------------------------------------------- numbers
