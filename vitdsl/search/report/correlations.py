"""How alike measures order candidates: whether a proxy finds what it is for, and how much of it is size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from vitdsl.search.results import Row, comparable

if TYPE_CHECKING:
    from vitdsl.search.file import Search

SIZES = ("params", "macs")
LEAST = 3
"""Of fewer candidates a rank correlation says nothing."""
RANKED = " (ranks together)"


class Pair(NamedTuple):
    """Spearman's ρ and Kendall's τ_b of two measures over `count` candidates; None where nothing can be said."""

    spearman: float | None
    kendall: float | None
    count: int


def table(rows: Sequence[Row], search: Search) -> tuple[list[str], dict[str, list[Pair]]]:
    """Every measure against parameters, multiply-adds and the objectives.

    Components of one proxy (`az_nas.expressivity`, …) are also ranked into one, as `aggregate` does.

    Returns:
        The measures that are compared with, and for each measure its pairs with them.
    """
    against: list[str] = list(dict.fromkeys((*SIZES, *search.file.objectives)))
    seen = {name for row in rows for name in row.measures}
    names = [name for name in dict.fromkeys(search.measures) if name in seen and name != "trainable_params"]
    found = {name: [_pair(_values(rows, search, name, other), name == other) for other in against] for name in names}
    for whole, parts in _components(names).items():
        found[whole + RANKED] = [_pair(_together(rows, search, parts, other), False) for other in against]
    return against, found


def _pair(values: tuple[list[float], list[float]], same: bool) -> Pair:
    from vitdsl.search.proxies import correlation

    first, second = values
    if same or len(first) < LEAST:
        return Pair(None, None, len(first))
    return Pair(*correlation(first, second), len(first))


def _values(rows: Sequence[Row], search: Search, name: str, other: str) -> tuple[list[float], list[float]]:
    both = comparable(rows, search, name, other)
    return [row.measures[name] for row in both], [row.measures[other] for row in both]


def _components(names: Sequence[str]) -> dict[str, list[str]]:
    """Measures of one proxy, by its name."""
    found: dict[str, list[str]] = {}
    for name in names:
        whole, dot, _ = name.partition(".")
        if dot:
            found.setdefault(whole, []).append(name)
    return {whole: parts for whole, parts in found.items() if len(parts) > 1}


def _together(rows: Sequence[Row], search: Search, parts: list[str], other: str) -> tuple[list[float], list[float]]:
    """The log-ranks of several measures, summed, over the candidates that have all of them."""
    from vitdsl.search.proxies import aggregate

    both = comparable(rows, search, *parts, other)
    if not both:
        return [], []
    ranked = aggregate({part: [row.measures[part] for row in both] for part in parts})
    return ranked, [row.measures[other] for row in both]
