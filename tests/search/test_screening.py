"""Bounds hold at their ends, and a screen counts what it refuses."""

import vitdsl
from tests.search.small_search import GOOD
from vitdsl.search.file import Bound, load_search
from vitdsl.search.proposals import SHAPE, Screen, violation
from vitdsl.units import format_measure


def test_bounds_hold_at_their_ends():
    bounds = {"params": Bound(min=10, max=20), "latency": Bound(max=0.02)}
    assert violation(bounds, {"params": 10}) is None
    assert violation(bounds, {"params": 20, "latency": 0.02}) is None
    assert violation(bounds, {"params": 21}) == "params > 20"
    assert violation(bounds, {"params": 9}) == "params < 10"
    assert violation(bounds, {"params": 15, "latency": float("nan")}) == "latency > 20ms"


def test_a_screen_counts_what_it_refuses():
    search = load_search(GOOD)
    least, most = sorted({spec.analyze().params for spec in _fitting(search)})[:2]
    screen = Screen({"params": Bound(max=least)})
    accepted = [spec for spec in (screen.accept(lambda s=s: search.space.sample(s)) for s in range(300)) if spec]
    assert {spec.analyze().params for spec in accepted} == {least}
    assert screen.count == 300
    assert screen.refused.keys() == {SHAPE, f"params > {format_measure(least)}"}
    assert len(accepted) + screen.refused.total() == 300
    assert "heads" in screen.verdict()
    assert most > least


def _fitting(search):
    for spec in search.space:
        try:
            spec.analyze()
        except vitdsl.SpecError:
            continue
        yield spec
