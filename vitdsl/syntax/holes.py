"""Decisions that are still open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN = 12
"""Paths of open holes that an error lists."""
KEYS = frozenset({"choose", "range", "when", "else", "each"})


class Hole:
    """A decision that is still open: `{choose: …}` or `{range: …}`, as written."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    def malformed(self) -> list[tuple[tuple[str | int, ...], str]]:
        """What is wrong with the hole itself, each with its location."""
        raw = self.raw
        if ("choose" in raw) == ("range" in raw):
            return [((), "has `choose` or `range`, and not both")]
        if "choose" in raw:
            choices = raw["choose"]
            if not isinstance(choices, (Mapping, list)) or not choices:
                return [(("choose",), "chooses among a list or a mapping of alternatives")]
            entries = choices.items() if isinstance(choices, Mapping) else enumerate(choices)
            own = [at for at, value in entries if isinstance(value, Hole)]
            return [(("choose", at), "cannot itself be an alternative: list what it chooses among here") for at in own]
        ends = raw["range"]
        if not isinstance(ends, list) or len(ends) not in (2, 3):
            return [(("range",), "has a range [lowest, highest] or [lowest, highest, step]")]
        wrong = [index for index, end in enumerate(ends) if type(end) not in (int, float)]
        if wrong:
            return [(("range", index), "has a range of plain numbers") for index in wrong]
        if ends[0] > ends[1] or (len(ends) == 3 and ends[2] <= 0):
            return [(("range",), "has a range that goes up, by a step above 0")]
        return []

    def alternatives(self) -> list[tuple[tuple[str | int, ...], Any]]:
        """What may be put in, each with its location; of a range its two ends and the first step."""
        choices = self.raw.get("choose")
        if isinstance(choices, Mapping):
            return [(("choose", name), value) for name, value in choices.items()]
        if isinstance(choices, list):
            return [(("choose", index), value) for index, value in enumerate(choices)]
        low, high, *step = self.raw["range"]
        second = [(("range", 2), low + step[0])] if step and low + step[0] <= high else []
        return [(("range", 0), low), (("range", 1), high), *second]
