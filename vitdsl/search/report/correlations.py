"""Rank correlations of measures: whether a proxy predicts the objective, and how much of it is size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from vitdsl.search.results import Row, comparable

if TYPE_CHECKING:
    from vitdsl.search.file import Search

SIZES = ("params", "macs")
LEAST = 3
"""Fewer candidates have no rank correlation."""
RANKED = " (ranks together)"


class Pair(NamedTuple):
    """Spearman's ρ and Kendall's τ_b of two measures over `count` candidates; None where they are undefined."""

    spearman: float | None
    kendall: float | None
    count: int


def correlation_table(rows: Sequence[Row], search: Search) -> tuple[list[str], dict[str, list[Pair]]]:
    """Every measure against parameters, multiply-adds and the objectives.

    The components of one proxy (`az_nas.expressivity`, …) are also combined by `aggregate`.

    Returns:
        The measures that are compared with, and for each measure its pairs with them.
    """
    against: list[str] = list(dict.fromkeys((*SIZES, *search.file.objectives)))
    known = {name for row in rows for name in row.measures}
    names = [name for name in dict.fromkeys(search.measures) if name in known and name != "trainable_params"]
    table = {name: [_pair(rows, search, [name], other) for other in against] for name in names}
    for whole, parts in _components(names).items():
        table[whole + RANKED] = [_pair(rows, search, parts, other) for other in against]
    return against, table


def _pair(rows: Sequence[Row], search: Search, parts: list[str], other: str) -> Pair:
    """A measure, or several ones combined, against another one, over the candidates that have all of them."""
    from vitdsl.search.proxies import aggregate, correlation

    both = comparable(rows, search, *parts, other)
    if parts == [other] or len(both) < LEAST:
        return Pair(None, None, len(both))
    values = {part: [row.measures[part] for row in both] for part in parts}
    first = values[parts[0]] if len(parts) == 1 else aggregate(values)
    return Pair(*correlation(first, [row.measures[other] for row in both]), len(both))


def _components(names: Sequence[str]) -> dict[str, list[str]]:
    """Measures of one proxy, by its name."""
    components: dict[str, list[str]] = {}
    for name in names:
        whole, dot, _ = name.partition(".")
        if dot:
            components.setdefault(whole, []).append(name)
    return {whole: parts for whole, parts in components.items() if len(parts) > 1}
