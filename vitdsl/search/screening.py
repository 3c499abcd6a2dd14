"""Feasibility first: what the graph tells of a candidate, before anything is built or stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from vitdsl.errors import SpecError
from vitdsl.graph.costs import Analysis
from vitdsl.search.file import COSTS, Bound
from vitdsl.spec import Spec
from vitdsl.units import format_measure

SHAPE = "shapes that do not fit"
"""The reason for a candidate whose spec is refused."""
Propose = Callable[[], Spec]


def costs_of(analysis: Analysis) -> dict[str, float]:
    """The measures that the graph gives."""
    return {name: getattr(analysis, name) for name in COSTS}


def violated(bounds: Mapping[str, Bound], measures: Mapping[str, float]) -> str | None:
    """The first bound that a measure is outside of, as `params > 6M`; a measure that is not known yet passes."""
    for name, bound in bounds.items():
        value = measures.get(name)
        if value is None:
            continue
        if bound.max is not None and not value <= bound.max:
            return f"{name} > {format_measure(bound.max, name)}"
        if bound.min is not None and not value >= bound.min:
            return f"{name} < {format_measure(bound.min, name)}"
    return None


class Screen:
    """Judges candidates by their graphs, and counts what it refuses.

    Attributes:
        seen: how many were judged.
        refused: how many of them were refused, by reason.
        example: what was wrong with the first candidate whose shapes did not fit.
    """

    def __init__(self, bounds: Mapping[str, Bound]) -> None:
        self.bounds = dict(bounds)
        self.seen = 0
        self.refused: Counter[str] = Counter()
        self.example: str | None = None

    def accept(self, propose: Propose) -> Spec | None:
        """What is proposed, or None where it is refused.

        Args:
            propose: gives a candidate, or raises SpecError where what it decided is no spec.
        """
        self.seen += 1
        try:
            spec = propose()
            reason = violated(self.bounds, costs_of(spec.analyze()))
        except SpecError as error:
            self.refused[SHAPE] += 1
            self.example = self.example or str(error)
            return None
        if reason is not None:
            self.refused[reason] += 1
            return None
        return spec

    def verdict(self) -> str:
        """What refused most, in words: for an error where nothing was accepted."""
        parts = [f"{reason}: {count:,}" for reason, count in self.refused.most_common()]
        text = f"of {self.seen:,} candidates none was accepted; {', '.join(parts)}"
        return f"{text}\nthe first of those whose shapes do not fit:\n{self.example}" if self.example else text
