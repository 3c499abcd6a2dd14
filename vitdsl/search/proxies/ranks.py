"""Proxies over a population: one order from several, and rank correlations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vitdsl.search.proxies.base import refusal

SIZES = ("params", "macs")


class Correlation(NamedTuple):
    """Rank correlations of two measures; None where one of them is constant."""

    spearman: float | None
    kendall: float | None


def aggregate(populations: Mapping[str, Sequence[float]]) -> list[float]:
    """Σ log(rank / m) of each candidate over the measures, as AZ-NAS does: one bad rank counts more than a good one.

    Ranks go from 1 for the least to m for the greatest; equal values share the mean of theirs.

    Args:
        populations: by measure, its value for each of the m candidates, in the same order; more is better.

    Returns:
        A number for each candidate, at most 0; more is better.

    Raises:
        ProxyError: there is nothing to rank, lengths differ, or a value is no number.
    """
    from scipy.stats import rankdata

    count = _count(populations)
    ranks = [rankdata(values) for values in populations.values()]
    return [sum(math.log(rank[index] / count) for rank in ranks) for index in range(count)]


def correlations(
    populations: Mapping[str, Sequence[float]], against: Sequence[str] = SIZES
) -> dict[str, dict[str, Correlation]]:
    """Spearman's ρ and Kendall's τ_b of every measure with a few of them: a proxy may be size in disguise.

    Args:
        populations: by measure, its value for each candidate, in the same order.
        against: the few measures, among those of the population.

    Returns:
        By measure, then by the measure of `against`.

    Raises:
        ProxyError: as `aggregate`, or a measure of `against` is not in the population.
    """
    _count(populations)
    for name in against:
        if name not in populations:
            raise refusal(f"there is no measure `{name}` to compare with", f"measured: {', '.join(populations)}")
    return {
        name: {other: correlation(values, populations[other]) for other in against}
        for name, values in populations.items()
    }


def correlation(first: Sequence[float], second: Sequence[float]) -> Correlation:
    """Spearman's ρ and Kendall's τ_b of two measures of the same candidates."""
    from scipy.stats import kendalltau, spearmanr

    if len(set(first)) < 2 or len(set(second)) < 2:
        return Correlation(None, None)
    tests: list[Any] = [spearmanr(first, second), kendalltau(first, second)]
    return Correlation(*(float(test.statistic) for test in tests))


def _count(populations: Mapping[str, Sequence[float]]) -> int:
    """The number of candidates."""
    lengths = {len(values) for values in populations.values()}
    if len(lengths) != 1 or lengths == {0}:
        counts = ", ".join(f"{name}: {len(values)}" for name, values in populations.items()) or "no measure"
        raise refusal(f"every measure needs a value for each candidate, but there are {counts}")
    for name, values in populations.items():
        for index, value in enumerate(values):
            if not math.isfinite(value):
                raise refusal(f"`{name}` of candidate {index} is {value}, which has no rank")
    return lengths.pop()
