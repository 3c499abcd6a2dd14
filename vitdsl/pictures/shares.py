"""How much of a model's costs a box has."""

from __future__ import annotations

from collections.abc import Callable

from vitdsl.features import Cost
from vitdsl.pictures.boxes import Box

MEASURES: dict[str, tuple[str, Callable[[Cost], int]]] = {
    "macs": ("multiply-adds", lambda cost: cost.macs),
    "params": ("parameters", lambda cost: cost.params),
    "activations": ("activations", lambda cost: cost.activation_bytes),
}
"""What colours may stand for: what it is called, and its value."""


def share_of(box: Box, root: Box, measure: str) -> float:
    """The share that a box, with all its runs, has of the whole model, from 0 to 1."""
    value = MEASURES[measure][1]
    return value(box.all) / max(1, value(root.all))
