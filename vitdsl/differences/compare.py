"""Two specs beside one another."""

from __future__ import annotations

from typing import NamedTuple

from vitdsl.differences.operators import operator_changes
from vitdsl.differences.patterns import Pattern
from vitdsl.differences.weights import Weights, weights
from vitdsl.differences.written import Change, changes
from vitdsl.features import Cost
from vitdsl.spec import Spec

TOTAL = "in all"


class Difference(NamedTuple):
    """What two specs differ in.

    Attributes:
        equal: whether they say the same, name and paper apart.
        written: what the merged files say otherwise.
        graph: operators that were removed, added or changed, as patterns of module paths.
        costs: of each stage, of the head, and in all, by path: in each of the two, or None where it is not there.
        weights: which keys fit.
    """

    equal: bool
    written: list[Change]
    graph: list[Pattern]
    costs: dict[str, tuple[Cost | None, Cost | None]]
    weights: Weights


def compare(a: Spec, b: Spec, size: int | tuple[int, int] | None = None) -> Difference:
    """Compares two specs without open holes.

    Args:
        a: the first one.
        b: the second one.
        size: of the image, in place of each spec's own.

    Raises:
        SpecError: one of them has open holes, or its features do not fit.
    """
    first, second = a.analyze(size), b.analyze(size)
    sides = [{stage.path: stage.cost for stage in each.stages} | {TOTAL: each.cost} for each in (first, second)]
    paths = sorted(dict.fromkeys((*sides[0], *sides[1])), key=lambda path: (path == TOTAL, path == "head"))
    costs = {path: (sides[0].get(path), sides[1].get(path)) for path in paths}
    return Difference(
        a == b, changes(a.tree, b.tree), operator_changes(first.graph, second.graph), costs, weights(a, b, size)
    )
