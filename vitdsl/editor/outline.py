"""The outline of a text that may be half-written: what stands where.

`syntax.source` reads a file exactly, and refuses it at the first thing that is no YAML. An outline is made of any text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from vitdsl.editor.nodes import Entry, Node, Path
from vitdsl.editor.reader import Reader


class Spot:
    """What stands at an offset.

    Attributes:
        path: of the entry, keys and indexes; empty where the text is one value.
        node: the key or the value.
        is_key: whether it is a key.
        parent: the mapping or list that the entry stands in, or None.
        colon: of a key, whether there is a colon behind it.
    """

    __slots__ = ("colon", "is_key", "node", "parent", "path")

    def __init__(self, path: Path, node: Node, is_key: bool, parent: Node | None, colon: bool = False) -> None:
        self.path, self.node, self.is_key, self.parent, self.colon = path, node, is_key, parent, colon


class Outline:
    """The outline of a text.

    Attributes:
        text: the text.
        root: its value.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
        self.root = Reader(text, self._lines).document()

    def offset(self, line: int, column: int) -> int:
        """The offset of a position, from 0; one behind the end of its line is at the end."""
        if line >= len(self._lines):
            return len(self.text)
        return min(self._lines[line] + max(column, 0), self.line_end(line))

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, from 0."""
        line = bisect_right(self._lines, offset) - 1
        return line, offset - self._lines[line]

    def line_end(self, line: int) -> int:
        """The offset behind the last character of a line, without its break."""
        end = self._lines[line + 1] if line + 1 < len(self._lines) else len(self.text)
        while end > self._lines[line] and self.text[end - 1] in "\r\n":
            end -= 1
        return end

    def nodes(self) -> Iterator[Node]:
        """Every key and every value, outer ones first."""
        yield self.root
        for _, entry in self.root.walk():
            if entry.key is not None:
                yield entry.key
            yield entry.value

    def spot(self, offset: int) -> Spot | None:
        """The innermost key or value at an offset, or None."""
        node, path = self.root, ()
        found = Spot((), node, False, None) if node.start <= offset <= node.end else None
        while True:
            inner = _entry_at(node, offset)
            if inner is None:
                return found
            index, entry = inner
            path = (*path, index if entry.key is None else entry.key.text)
            if entry.key is not None and entry.key.start <= offset <= entry.key.end:
                return Spot(path, entry.key, True, node, entry.colon)
            found = Spot(path, entry.value, False, node)
            node = entry.value


def _entry_at(node: Node, offset: int) -> tuple[int, Entry] | None:
    """The entry whose key or value is at an offset; of two that touch there, the first."""
    for index, entry in enumerate(node.entries):
        for each in (entry.key, entry.value):
            if each is not None and each.kind != "nothing" and each.start <= offset <= each.end:
                return index, entry
    return None
