"""Many module paths, each with a word, as few patterns: `stages.0.block.*.1.mlp`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

ITSELF = "(itself)"
"""Last segment of the pattern of a path, where others are below it."""


class Pattern(NamedTuple):
    """Module paths with the same word.

    Attributes:
        path: above all of them, and with none below it that has another word; `*` stands for every number.
        word: what is said of them; an empty one where there is nothing to say.
        count: how many they are.
    """

    path: str
    word: str
    count: int


def patterns(words: Mapping[str, str]) -> list[Pattern]:
    """The fewest patterns for paths and their words, in the order of the paths; what has an empty word is left out.

    Args:
        words: a word for each path.
    """
    root = _Tree()
    for path, word in words.items():
        root.add(path.split("."), word)
    return [Pattern(pattern.path or "everything", *pattern[1:]) for pattern in root.patterns() if pattern.word]


class _Tree:
    """Paths below a path, by their next segment; the word of the path itself is that of a leaf."""

    __slots__ = ("below", "word")

    def __init__(self) -> None:
        self.below: dict[str, _Tree] = {}
        self.word: str | None = None

    def add(self, names: list[str], word: str) -> None:
        """Adds a path."""
        tree = self
        for name in names:
            tree = tree.below.setdefault(name, _Tree())
        tree.word = word

    def patterns(self) -> tuple[Pattern, ...]:
        """The patterns, relative to this path; one with an empty path where all have the same word."""
        found = [] if self.word is None else [Pattern("", self.word, 1)]
        same: dict[tuple[tuple[str, str], ...], dict[str, tuple[Pattern, ...]]] = {}
        for name, tree in self.below.items():
            inner = tree.patterns()
            if name.isdigit():
                same.setdefault(tuple((each.path, each.word) for each in inner), {})[name] = inner
            else:
                found += [Pattern(_joined(name, each.path), *each[1:]) for each in inner]
        for paths, group in same.items():
            label, counts = _numbers([*group], len(same) == 1), _sums(group.values())
            found += [
                Pattern(_joined(label, path), word, count) for (path, word), count in zip(paths, counts, strict=True)
            ]
        if len({each.word for each in found}) == 1:
            return (Pattern("", found[0].word, sum(each.count for each in found)),)
        return tuple(each if each.path else each._replace(path=ITSELF) for each in found)


def _sums(groups: Iterable[tuple[Pattern, ...]]) -> list[int]:
    """The number of paths of each pattern, over all numbers."""
    return [sum(each.count for each in column) for column in zip(*groups, strict=True)]


def _numbers(names: list[str], whole: bool) -> str:
    """Numbers as a segment of a pattern: `3`, `*` for all there are, `6–11`, `{0,2}`."""
    if len(names) == 1:
        return names[0]
    if whole:
        return "*"
    numbers = [int(name) for name in names]
    if numbers == [*range(numbers[0], numbers[-1] + 1)]:
        return f"{numbers[0]}–{numbers[-1]}"
    return f"{{{','.join(names)}}}"


def _joined(name: str, path: str) -> str:
    return f"{name}.{path}" if path else name
