"""The values of a text that may be half-written, with the places where they begin and end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Path = tuple[str | int, ...]
"""Keys and indexes, from the root of a file."""


@dataclass(slots=True)
class Node:
    """A value of the text.

    Attributes:
        kind: what it is; `nothing` where a value is missing.
        start: the offset of its first character.
        end: the offset behind its last character.
        text: of a text, without its quotes.
        quoted: of a text, whether it has quotes.
        flow: whether it is written in brackets.
        entries: of a mapping or a list.
    """

    kind: Literal["mapping", "list", "text", "nothing"]
    start: int
    end: int
    text: str = ""
    quoted: bool = False
    flow: bool = False
    entries: list[Entry] = field(default_factory=list)

    def get(self, key: str | int) -> Node | None:
        """The value of a key or index, or None."""
        if isinstance(key, int):
            if self.kind == "list":
                return self.entries[key].value if key < len(self.entries) else None
            return self if key == 0 else None
        found = (entry.value for entry in self.entries if entry.key is not None and entry.key.text == key)
        return next(found, None) if self.kind == "mapping" else None

    def at(self, path: Path) -> Node | None:
        """The value at a path, or None."""
        node: Node | None = self
        for key in path:
            node = node.get(key) if node is not None else None
        return node

    def keys(self) -> list[str]:
        """The keys of a mapping, in order."""
        return [entry.key.text for entry in self.entries if entry.key is not None]

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Entry]]:
        """Every entry below, with its path, parents first."""
        for index, entry in enumerate(self.entries):
            own = (*path, index if entry.key is None else entry.key.text)
            yield own, entry
            yield from entry.value.walk(own)


@dataclass(slots=True)
class Entry:
    """An entry of a mapping or a list.

    Attributes:
        key: of a mapping.
        value: the value.
        colon: whether there is a colon behind the key.
    """

    key: Node | None
    value: Node
    colon: bool = False
