"""Decisions that are still open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

KEYS = frozenset({"choose", "range", "when", "else", "each"})


class Hole:
    """A decision that is still open: `{choose: …}` or `{range: …}`, as written."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    def checked(self, handler: Callable[[Any], Any]) -> Hole:
        """The hole, after every alternative was validated as the value that it may become."""
        for value in self.alternatives:
            handler(value)
        return self

    @property
    def alternatives(self) -> list[Any]:
        """What may be put in."""
        choices = self.raw.get("choose")
        if isinstance(choices, Mapping):
            return list(choices.values())
        if isinstance(choices, list):
            return list(choices)
        low, high, *step = self.raw["range"]
        return [low + i * (step[0] if step else 1) for i in range(int((high - low) / (step[0] if step else 1)) + 1)]
