"""Two specs beside one another."""

import pytest

from vitdsl.differences.compare import TOTAL, compare
from vitdsl.differences.weights import FIT
from vitdsl.errors import SpecError
from vitdsl.spec import load


def test_equal_specs():
    found = compare(load("deit_tiny"), load("deit_tiny", {"name": "another"}))
    assert found.equal
    assert (found.written, found.graph) == ([], [])
    assert set(found.weights.words.values()) == {FIT}
    assert all(one == other for one, other in found.costs.values())


def test_costs_are_those_of_the_analyses():
    a, b = load("pvt_tiny"), load("tnt_small")
    costs = compare(a, b).costs
    assert [*costs] == ["stages.0", "stages.1", "stages.2", "stages.3", "head", TOTAL]
    assert costs["stages.3"][1] is None
    assert costs[TOTAL] == (a.analyze().cost, b.analyze().cost)
    for side in (0, 1):
        parts = [pair[side] for path, pair in costs.items() if path != TOTAL and pair[side]]
        assert sum(cost.params for cost in parts) == costs[TOTAL][side].params


def test_a_size_for_both():
    found = compare(load("pvt_tiny"), load("pvt_tiny"), 64)
    assert found.costs[TOTAL][0] == load("pvt_tiny").analyze(64).cost


def test_open_holes_are_refused():
    with pytest.raises(SpecError, match="open hole"):
        compare(load("deit_tiny"), load("deit_tiny", {"stages[0].depth": {"range": [1, 2]}}))
