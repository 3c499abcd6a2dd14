"""One order out of several measures, and rank correlations, against values by hand."""

import math
import re

import pytest

from tests.search.proxies.nets import near
from vitdsl.search.proxies import Correlation, ProxyError, aggregate, correlation, correlations


def test_ranks_are_counted_from_the_least():
    found = aggregate({"a": [10.0, 30.0, 20.0], "b": [-1.0, -3.0, -2.0]})
    assert found == near([math.log(1 / 3), math.log(1 / 3), 2 * math.log(2 / 3)])


def test_one_bad_rank_counts_more_than_a_good_one():
    # the second is never best and never worst, and comes first
    found = aggregate({"a": [4, 3, 2, 1], "b": [1, 3, 2, 4]})
    assert max(range(4), key=found.__getitem__) == 1


def test_equal_values_share_the_mean_of_their_ranks():
    assert aggregate({"a": [5, 5, 7]}) == near([math.log(0.5), math.log(0.5), 0])
    assert aggregate({"a": [5]}) == [0]


def test_only_the_order_matters():
    values = [3.0, -1.0, 0.5, 10.0]
    assert aggregate({"a": values}) == aggregate({"a": [math.exp(value) for value in values]})


@pytest.mark.parametrize(
    ("populations", "text"),
    [
        ({}, "every measure needs a value for each candidate, but there are no measure"),
        ({"a": []}, "every measure needs a value for each candidate, but there are a: 0"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "every measure needs a value for each candidate, but there are a: 1, b: 2"),
        ({"a": [1.0, math.nan]}, "`a` of candidate 1 is nan, which has no rank"),
        ({"a": [-math.inf, 1.0]}, "`a` of candidate 0 is -inf, which has no rank"),
    ],
)
def test_what_has_no_rank(populations, text):
    for function in (aggregate, lambda populations: correlations(populations, against=())):
        with pytest.raises(ProxyError, match=re.escape(text)):
            function(populations)


def test_correlations_by_hand():
    # ranks 1 2 3 4 and 2 1 4 3: ρ = 1 - 6·4 / (4·15), τ = (4 - 2) / 6
    assert correlation([1, 2, 3, 4], [20, 10, 40, 30]) == near((0.6, 1 / 3))
    assert correlation([1, 2, 3], [3, 2, 1]) == near((-1, -1))
    # a tie: τ_b = (2 - 0) / √(2·3)
    assert correlation([1, 1, 2], [1, 2, 3]).kendall == near(2 / math.sqrt(6))
    assert correlation([1, 1, 1], [1, 2, 3]) == Correlation(None, None)


def test_every_measure_is_compared_with_size():
    found = correlations({"dss": [1, 2, 4, 3], "params": [1, 2, 3, 4], "macs": [4, 3, 2, 1]})
    assert list(found) == ["dss", "params", "macs"]
    assert found["dss"]["params"] == near((0.8, 2 / 3))
    assert found["dss"]["macs"] == near((-0.8, -2 / 3))
    assert found["params"] == {"params": (1, 1), "macs": (-1, -1)}
    with pytest.raises(ProxyError, match="there is no measure `latency` to compare with"):
        correlations({"dss": [1, 2]}, against=["latency"])
