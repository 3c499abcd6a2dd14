"""Rank correlations of what was measured, against values by hand."""

import math

import pytest

from tests.search.report.studies import MANY, search_of, study_of
from vitdsl.search.report.correlations import correlation_table
from vitdsl.search.results import rows_of


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
