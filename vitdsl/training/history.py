"""What was measured in each epoch, as a training keeps it, and which epoch is the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Entry = Mapping[str, float]
"""What was measured in an epoch, by name."""
BEFORE = ("epoch", "step", "loss")
AFTER = (
    "evaluation_loss", "accuracy", "accuracy_5", "average_evaluation_loss", "average_accuracy", "average_accuracy_5",
    "skipped", "learning_rate", "images_per_second", "seconds",
)  # fmt: skip
"""Measures that stand before the terms of the loss, and after them."""
MEASURES = (*BEFORE, *AFTER)
"""What no term of the loss is called."""
UNKNOWN = -1.0


def accuracy_of(entry: Entry) -> float:
    """The accuracy by which epochs are compared: the better one of the weights and of their average; -1: unknown."""
    found = (entry.get("accuracy", UNKNOWN), entry.get("average_accuracy", UNKNOWN))
    return max((value for value in found if math.isfinite(value)), default=UNKNOWN)


def best_of(history: Sequence[Entry]) -> Entry | None:
    """The first of the epochs with the highest accuracy; None: none was evaluated."""
    best = max(history, key=accuracy_of, default=None)
    return None if best is None or accuracy_of(best) == UNKNOWN else best


def columns_of(history: Sequence[Entry]) -> list[str]:
    """The names of all measures, in the order of a table; a loss of one term is its term."""
    found = dict.fromkeys(name for entry in history for name in entry)
    terms = [name for name in found if name not in MEASURES]
    if len(terms) == 1 and all(same(entry.get("loss"), entry.get(terms[0])) for entry in history):
        terms = []
    return [*(n for n in BEFORE if n in found), *terms, *(n for n in AFTER if n in found)]


def same(first: float | None, second: float | None) -> bool:
    """Whether two measures are equal, or neither is a number."""
    return first == second or (first is not None and second is not None and math.isnan(first) and math.isnan(second))
