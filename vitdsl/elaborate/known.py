"""What was analysed before, to be used again in an equal surrounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vitdsl.features import Feature
from vitdsl.graph.ir import Frame


class Held:
    """A key that an object is: itself, not what it equals; it keeps the object."""

    __slots__ = ("held",)

    def __init__(self, held: object) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


class Known:
    """A bounded table of what was analysed, by a key and by the features that the analysis read.

    A key holds the objects that it names, so that none of them is mistaken for a later one.
    """

    __slots__ = ("count", "found", "limit")

    def __init__(self, limit: int = 20_000) -> None:
        self.limit, self.count = limit, 0
        self.found: dict[Any, list[tuple[Frame, Any]]] = {}

    def get(self, key: Any, outer: Callable[[str], Feature | None]) -> Any:
        """What was kept under this key where `outer` gave the same features, or None."""
        for frame, kept in self.found.get(key, ()):
            features = frame.features
            for name, number in frame.inputs.items():
                if outer(name) != features[number]:
                    break
            else:
                if not frame.absent or all(outer(name) is None for name in frame.absent):
                    return kept
        return None

    def keep(self, key: Any, frame: Frame, kept: Any) -> None:
        """Keeps something; `frame` knows what it read, and what it looked for in vain."""
        if self.count >= self.limit:
            self.forget()
        self.found.setdefault(key, []).append((frame, kept))
        self.count += 1

    def forget(self) -> None:
        """Empties the table."""
        self.found.clear()
        self.count = 0
