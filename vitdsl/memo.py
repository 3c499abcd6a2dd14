"""Tables of what was computed before: bounded, and emptied all together."""

from __future__ import annotations

from typing import Any

_tables: list[Table] = []


class Table(dict[Any, Any]):
    """Results by key; it is emptied when it is full.

    Args:
        limit: the largest number of entries.
    """

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        _tables.append(self)

    def keep(self, key: Any, value: Any) -> Any:
        """Adds an entry, and gives its value."""
        if len(self) >= self.limit:
            self.clear()
        self[key] = value
        return value


class Identity:
    """A key for one object, whatever it equals. It keeps the object, so that no later one is mistaken for it."""

    __slots__ = ("of",)

    def __init__(self, of: object) -> None:
        self.of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.of is self.of

    def __hash__(self) -> int:
        return id(self.of)


def forget() -> None:
    """Empties every table, so that the next spec is read and analysed as if it were the first; files stay read."""
    for table in _tables:
        table.clear()
