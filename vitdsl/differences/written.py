"""What two merged files say otherwise, by written path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from vitdsl.errors import Mark
from vitdsl.syntax.locate import mark_of
from vitdsl.syntax.paths import Segment, format_path
from vitdsl.syntax.printer import plain
from vitdsl.syntax.tree import Map

APART = ("name", "paper")
"""Keys that say nothing of the model."""
Path = tuple[Segment, ...]


class Side(NamedTuple):
    """A value in one of two files: its written path, the value, and where it stands."""

    path: str
    value: Any
    mark: Mark | None


class Change(NamedTuple):
    """A value that is another one, or stands in one file alone: then the other side is None."""

    a: Side | None
    b: Side | None


def changes(a: Map, b: Map) -> list[Change]:
    """All that two merged files say otherwise, name and paper apart, in the order of the first one.

    Entries of a list that are equal stand for one another, wherever they are in it.
    """
    found = _Comparison(a, b)
    return [*found.mappings({k: v for k, v in a.items() if k not in APART},
                            {k: v for k, v in b.items() if k not in APART}, (), ())]  # fmt: skip


class _Comparison:
    def __init__(self, a: Map, b: Map) -> None:
        self._a, self._b = a, b

    def mappings(self, a: Mapping[str, Any], b: Mapping[str, Any], at: Path, other: Path) -> Iterator[Change]:
        """What two mappings differ in, at their paths in each file."""
        for key in dict.fromkeys((*a, *b)):
            if key not in b:
                yield Change(self._side(True, (*at, key), a[key]), None)
            elif key not in a:
                yield Change(None, self._side(False, (*other, key), b[key]))
            else:
                yield from self._values(a[key], b[key], (*at, key), (*other, key))

    def _values(self, a: Any, b: Any, at: Path, other: Path) -> Iterator[Change]:
        if plain(a) == plain(b) and type(plain(a)) is type(plain(b)):
            return
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from self.mappings(a, b, at, other)
        elif isinstance(a, list) and isinstance(b, list) and _is_long(a) and _is_long(b):
            yield from self._lists(a, b, at, other)
        else:
            yield Change(self._side(True, at, a), self._side(False, other, b))

    def _lists(self, a: list[Any], b: list[Any], at: Path, other: Path) -> Iterator[Change]:
        """Equal entries are matched first; those between them are compared in order."""
        texts = [[json.dumps(plain(entry), sort_keys=True) for entry in each] for each in (a, b)]
        for tag, start, stop, first, last in SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
            if tag == "equal":
                continue
            both = min(stop - start, last - first)
            for step in range(both):
                yield from self._values(a[start + step], b[first + step], (*at, start + step), (*other, first + step))
            yield from (Change(self._side(True, (*at, n), a[n]), None) for n in range(start + both, stop))
            yield from (Change(None, self._side(False, (*other, n), b[n])) for n in range(first + both, last))

    def _side(self, of_a: bool, path: Path, value: Any) -> Side:
        return Side(format_path(path), plain(value), mark_of(self._a if of_a else self._b, path))


def _is_long(value: list[Any]) -> bool:
    """Whether the entries of a list are compared one by one."""
    return any(isinstance(entry, (Mapping, list)) for entry in value)
