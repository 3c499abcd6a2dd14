"""Decisions as Optuna's parameters."""

import optuna
import pytest

from vitdsl import SpecError
from vitdsl.search.samplers import distribution_of
from vitdsl.space import Choice
from vitdsl.syntax.holes import Numbers


@pytest.mark.parametrize(("options", "kind"), [
    ((1, 2, 3), "IntDistribution"), ((16, 24, 40), "CategoricalDistribution"), ((0.1, 0.2, 0.3), "FloatDistribution"),
    ((1, 1.5, 2), "FloatDistribution"), ((3,), "CategoricalDistribution"),
    ((0, 0.333333333333, 0.666666666667, 1), "CategoricalDistribution"),
])  # fmt: skip
def test_even_numbers_are_ranges(options, kind):
    found = distribution_of(Choice("x", options, "x", True))
    assert type(found).__name__ == kind
    assert all(found._contains(found.to_internal_repr(option)) for option in options)


def test_long_ranges_are_not_listed():
    found = distribution_of(Choice("x", Numbers(1, 10**9), "x", True))
    assert found == optuna.distributions.IntDistribution(1, 10**9)
    uneven = Numbers(0, 1, 1 / 30_000)  # Optuna would move its end, and takes no list so long
    with pytest.raises(SpecError, match="x has 30,001 numbers, and Optuna takes at most 10,000"):
        distribution_of(Choice("x", uneven, "x", True))


def test_names_are_categories():
    assert distribution_of(Choice("x", ("b", "a"), "x", False)) == optuna.distributions.CategoricalDistribution(
        ("b", "a")
    )
