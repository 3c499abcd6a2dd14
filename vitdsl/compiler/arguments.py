"""Numbers in the code of a class that differ between its instances become arguments of `__init__`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vitdsl.compiler.expressions import Slot
from vitdsl.compiler.names import OF_MODULES, RESERVED, identifier, unused


class Arguments:
    """The arguments of `__init__` of a class.

    Args:
        columns: for each slot, its values in all instances.
        children: names of child modules, which attributes cannot have.

    Attributes:
        kinds: the type of each argument, by name.
        values: its values in all instances, by name.
        kept: arguments that become attributes, because the forward reads them.
    """

    def __init__(self, columns: list[tuple[Slot, ...]], children: list[str]) -> None:
        self.kinds: dict[str, str] = {}
        self.values: dict[str, tuple[Any, ...]] = {}
        self.kept: list[str] = []
        self._reserved = {*children, *OF_MODULES, *RESERVED}
        self._texts = [self._text(column) for column in columns]

    def texts(self, start: int, stop: int, kept: bool = False) -> Iterator[str]:
        """The texts of the slots in [start, stop).

        Args:
            start: number of the first slot.
            stop: number of the slot behind the last.
            kept: whether arguments are read from attributes, as in a forward.
        """
        for before, name in self._texts[start:stop]:
            if not name:
                yield before
                continue
            if kept and name not in self.kept:
                self.kept.append(name)
            yield f"{before}self.{name}" if kept else f"{before}{name}"

    def _text(self, column: tuple[Slot, ...]) -> tuple[str, str]:
        """The text of a slot: a text, and the name of the argument behind it, or an empty one."""
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
    """The factor by which a number is a multiple of another in every instance; 0 if there is none."""
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
