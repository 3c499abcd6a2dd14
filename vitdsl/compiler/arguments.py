"""The numbers of a class that differ among its instances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vitdsl.compiler.expressions import Slot
from vitdsl.compiler.names import OF_MODULES, RESERVED, identifier, unused


class Arguments:
    """The numbers of a class that differ among its instances, as arguments of `__init__`.

    Args:
        columns: of each slot, what it is in each instance.
        children: names of the modules of an instance, which no attribute may have.

    Attributes:
        kinds: the type of each argument, by name.
        values: what it is in each instance.
        kept: arguments that the forward reads too.
    """

    def __init__(self, columns: list[tuple[Slot, ...]], children: list[str]) -> None:
        self.kinds: dict[str, str] = {}
        self.values: dict[str, tuple[Any, ...]] = {}
        self.kept: list[str] = []
        self._reserved = {*children, *OF_MODULES, *RESERVED}
        self._texts = [self._text(column) for column in columns]

    def texts(self, start: int, stop: int, kept: bool = False) -> Iterator[str]:
        """What stands in the slots from a number to another.

        Args:
            start: number of the first slot.
            stop: number of the slot behind the last.
            kept: whether arguments are read from attributes.
        """
        for before, name in self._texts[start:stop]:
            if not name:
                yield before
                continue
            if kept and name not in self.kept:
                self.kept.append(name)
            yield f"{before}self.{name}" if kept else f"{before}{name}"

    def _text(self, column: tuple[Slot, ...]) -> tuple[str, str]:
        """What stands in a slot: a text, and the argument behind it, where there is one."""
        first, values = column[0], tuple(slot.value for slot in column)
        if all(same(value, values[0]) for value in values):
            if first.default is not None and all(same(slot.value, slot.default) for slot in column):
                return "", ""
            return str(first.value) if first.letters else number_text(first.value), ""
        if first.letters:
            return first.letters, ""
        for name, known in self.values.items():
            times = _times(values, known)
            if times:
                return f"{times} * " if times > 1 else "", name
        name = unused(identifier(first.name), self._reserved | self.kinds.keys())
        self.values[name] = values
        self.kinds[name] = _kind(values)
        return "", name


def same(a: object, b: object) -> bool:
    """Whether two values are equal and of one type: 1 is not 1.0, nor True."""
    return type(a) is type(b) and a == b


def number_text(value: object) -> str:
    """A number or a tuple of numbers as code; infinities have no literal."""
    text = repr(value)
    return text if not ("inf" in text or "nan" in text) else f"float({text!r})"


def _times(values: tuple[Any, ...], known: tuple[Any, ...]) -> int:
    """How many times a number is another, in every instance; 0: there is no such number."""
    if not all(type(each) is int for each in (*values, *known)):
        return int(len(values) == len(known) and all(same(a, b) for a, b in zip(values, known, strict=True)))
    if not known[0]:
        return int(values == known)
    times = values[0] // known[0]
    return times if times > 0 and all(a == times * b for a, b in zip(values, known, strict=True)) else 0


def _kind(values: tuple[Any, ...]) -> str:
    kinds = {
        f"tuple[{', '.join(type(each).__name__ for each in v)}]" if isinstance(v, tuple) else type(v).__name__
        for v in values
    }
    return "float" if kinds == {"int", "float"} else " | ".join(sorted(kinds))
