"""Logs of decisions as vectors of one length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from vitdsl.space.counting import most
from vitdsl.space.drawing import numbered
from vitdsl.space.sites import Site, Sites

ABSENT = -1.0


class Coder:
    """Gives each decision that a space may ask for a place in a vector.

    Attributes:
        slots: for each decision its path, its options, whether they are in order, and the option above it.
    """

    def __init__(self, sites: Sites) -> None:
        self.slots: list[tuple[str, Sequence[Any], bool, tuple[str, Any] | None]] = []
        for site in sites.all:
            ancestors = [site]
            while ancestors[-1].parent is not None:
                ancestors.append(ancestors[-1].parent[0])
            looped = next((ancestor for ancestor in ancestors if ancestor.each), None)
            times = partial(most, sites)
            for numbers in [()] if looped is None else numbered(sites, looped, times):
                self.slots.append((site.spelled(numbers), site.options, site.ordered, _above(site, numbers)))

    def encode(self, log: Mapping[str, Any]) -> list[float]:
        """The vector of a log."""
        made: list[float] = []
        for path, options, ordered, above in self.slots:
            there = path in log and (above is None or log.get(above[0]) == above[1])
            value = log.get(path)
            if ordered:
                last = max(len(options) - 1, 1)
                made.append(options.index(value) / last if there else ABSENT)
            else:
                made += [float(option == value) for option in options] if there else [ABSENT] * len(options)
        return made


def _above(site: Site, numbers: tuple[int, ...]) -> tuple[str, Any] | None:
    """The decision, and its option, below which a site stands."""
    if site.parent is None:
        return None
    parent, option = site.parent
    return parent.spelled(numbers), option
