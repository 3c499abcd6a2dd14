"""Decisions that are still open."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from vitdsl.errors import Fault, Refusal
from vitdsl.syntax.expressions import Late

SHOWN = 12
"""Paths of open holes that an error lists."""
KEYS = frozenset({"choose", "range", "when", "else", "each"})
MOST = 10**15
"""Numbers that a range may have."""
LARGEST = 1e100
"""No end of a range is larger."""
LEAST = 1e-9
"""No step of a range of fractions is smaller."""

Place = tuple[str | int, ...]


class Numbers(Sequence[Any]):
    """The numbers of a range, both ends in it. None of them is kept, so that a range may be as long as it likes.

    Args:
        low: the first number.
        high: the last number.
        step: from one number to the next.
    """

    __slots__ = ("high", "low", "step", "steps", "whole")

    def __init__(self, low: Any, high: Any, step: Any = 1) -> None:
        self.low, self.high, self.step = low, high, step
        self.steps = round((high - low) / step)
        self.whole = all(type(number) is int for number in (low, high, step))

    def __len__(self) -> int:
        return self.steps + 1

    def __getitem__(self, index: Any) -> Any:
        at = range(len(self))[index]
        if isinstance(at, range):
            return [self[each] for each in at]
        if self.whole:
            return self.low + self.step * at
        return round(self.low + (self.high - self.low) * at / self.steps, 12) if self.steps else self.low

    def __contains__(self, value: object) -> bool:
        return self._find(value) is not None

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Which number it is."""
        found = self._find(value)
        if found is None or not start <= found < (len(self) if stop is None else stop):
            raise ValueError(f"{value!r} is not in the range")
        return found

    def _find(self, value: Any) -> int | None:
        if not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return None
        near = min(max(round((value - self.low) / self.step), 0), self.steps)
        return near if self[near] == value else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numbers) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return self.low, self.high, self.step, self.whole

    def __repr__(self) -> str:
        return f"Numbers({self.low}, {self.high}, {self.step})"


class Hole:
    """A decision that is still open: `{choose: …}` or `{range: …}`, as written."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    def malformed(self) -> list[Fault]:
        """What is wrong with the hole itself."""
        raw = self.raw
        if ("choose" in raw) == ("range" in raw):
            return [Fault((), "a hole has `choose` or `range`, and not both", code="E215")]
        faults = _choices_faults(raw["choose"]) if "choose" in raw else _range_faults(raw["range"])
        if not isinstance(raw.get("each", True), bool):
            faults.append(Fault(("each",), "`each` must be true or false", code="E215"))
        if ("when" in raw) != ("else" in raw):
            there, missing = ("when", "else") if "when" in raw else ("else", "when")
            faults.append(Fault((there,), f"`{there}` needs `{missing}` beside it", code="E215"))
        elif not isinstance(raw.get("when", True), (bool, Late)):
            faults.append(Fault(("when",), "`when` is a truth: true, false or $(…)", code="E215"))
        return faults

    def alternatives(self) -> list[tuple[Place, Any]]:
        """What may be put in, each with its location; of a range its two ends and the first step."""
        other = [(("else",), self.raw["else"])] if "else" in self.raw else []
        if "choose" in self.raw:
            return [*((("choose", key), value) for key, value in entries(self.raw["choose"])), *other]
        low, high, *step = self.raw["range"]
        second = [(("range", 2), low + step[0])] if step and low + step[0] <= high else []
        return [(("range", 0), low), (("range", 1), high), *second, *other]

    def checked(self, read: Callable[[Any], Any]) -> Hole:
        """The hole itself, after each value that may be put in was read.

        What is wrong with the hole itself is said once for the whole file (`malformed_below`), wherever holes stand.

        Raises:
            Refusal: with the location of each alternative that does not fit.
        """
        faults: list[Fault] = []
        for at, value in [] if self.malformed() else self.alternatives():
            try:
                read(value)
            except Refusal as error:
                faults += [fault.below(*at) for fault in error.items]
        if faults:
            raise Refusal(faults)
        return self


def scalars(choices: list[Any]) -> bool:
    """Whether alternatives are put in as they are decided: numbers, truths and texts."""
    return all(isinstance(choice, (str, int, float)) for choice in choices)


def _choices_faults(choices: Any) -> list[Fault]:
    if not isinstance(choices, (Mapping, list)) or not choices:
        return [Fault(("choose",), "a hole chooses among a list or a mapping of alternatives", code="E215")]
    message = "a hole cannot itself be an alternative: list what it chooses among here"
    nested = [at for at, value in entries(choices) if isinstance(value, Hole)]
    faults = [Fault(("choose", at), message, code="E215") for at in nested]
    # 1 and 1.0 are one decision, but true is another
    if isinstance(choices, list) and scalars(choices) and len({(type(c) is bool, c) for c in choices}) < len(choices):
        faults.append(Fault(("choose",), "an alternative stands here twice", code="E215"))
    return faults


def _range_faults(ends: Any) -> list[Fault]:
    if not isinstance(ends, list) or len(ends) not in (2, 3):
        return [Fault(("range",), "a hole has a range [lowest, highest] or [lowest, highest, step]", code="E215")]
    wrong = [index for index, end in enumerate(ends) if type(end) not in (int, float) or not abs(end) <= LARGEST]
    if wrong:
        return [Fault(("range", index), "a hole has a range of plain numbers", code="E215") for index in wrong]
    low, high, *steps = ends
    step = steps[0] if steps else 1
    whole = all(type(end) is int for end in ends)
    if low > high or step <= 0:
        return [Fault(("range",), "a hole has a range that goes up, by a step above 0", code="E215")]
    if not steps and not whole:
        return [Fault(("range",), "a range of fractions needs a step", f"`[{low}, {high}, 0.1]`", "E215")]
    if high - low > MOST * step:
        return [Fault(("range",), f"a range has at most {MOST:,} numbers", "a larger step makes it shorter", "E215")]
    if not whole and step < max(LEAST, 8 * math.ulp(max(abs(low), abs(high)))):
        message = f"the step {step} is too small to tell the numbers of this range apart"
        return [Fault(("range", 2), message, code="E215")]
    count = (high - low) / step
    if abs(count - round(count)) > max(1e-9, count * 1e-15):
        message = f"the range does not reach its highest number {high}: the step {step} leads past it"
        return [Fault(("range",), message, "both ends of a range are in it", "E215")]
    return []


def entries(node: Any) -> Iterable[tuple[Any, Any]]:
    """The entries of a mapping or a list, or of what a hole holds: keys or indexes, with their values."""
    node = node.raw if isinstance(node, Hole) else node
    return node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, (list, tuple)) else ()


def holes_below(node: Any, at: Place = (), nested: bool = True) -> Iterator[tuple[Place, Hole]]:
    """The location of each hole of a tree, and the hole; `nested`: also of those in the alternatives of others."""
    hole = isinstance(node, Hole)
    if hole:
        yield at, node
    for key, value in entries(node) if nested or not hole else ():
        yield from holes_below(value, (*at, key), nested)


def malformed_below(tree: Any) -> Iterator[Fault]:
    """What is wrong with each hole of a tree itself; its alternatives are judged where their type is known."""
    for at, hole in holes_below(tree):
        yield from (fault.below(*at) for fault in hole.malformed())
