"""Prints forwards: statements become lines of Python.

A value that is used once is written into its use, where the line stays short. Calls of equal modules one after another
become a loop. A name is used again once its value is of no more use.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from vitdsl.compiler.expressions import Apply, Slot, pieces
from vitdsl.compiler.lines import Line
from vitdsl.compiler.loops import Below, Item, Loop, count_uses, find_loops
from vitdsl.compiler.names import identifier, last_word, reference, unused
from vitdsl.compiler.render import OPERATORS, Renderer, Short
from vitdsl.compiler.statements import Forward, Statement, Value

DEEPEST = 3
"""Most calls of modules in one another on a line."""
LONGEST = 84
"""Most characters of an expression into which others are written."""
DEEP, OFTEN = 3, 3
"""A container so deep that is named so often on lines one after another gets a name."""


class Printer:
    """Prints one forward.

    Args:
        forward: what is printed; it is pruned.
        below: the names of modules below a path.
        name_of: what code calls a function, which it may use from now on.
    """

    def __init__(self, forward: Forward, below: Below, name_of: Callable[[Any], str]) -> None:
        self._forward, self._below = forward, below
        self._renderer = Renderer(name_of)
        self._inlined, self._names = self._renderer.inlined, self._renderer.names
        self._items = find_loops(forward, below)
        self._depth: dict[Value, int] = {}
        self._alive: dict[Value, str] = {}
        self._functions = {
            getattr(each.target, "__name__", "") for each in forward.statements if each.kind == "function"
        }
        self._inline()
        self._last = self._last_reads()

    def lines(self) -> list[Line]:
        """The lines of the forward, `def` first."""
        taken = set(self._functions)
        for value in self._forward.entries:
            name = self._names[value] = self._alive[value] = unused(identifier(value.hint) if value.hint else "", taken)
            taken.add(name)
        arguments = ", ".join(["self", *(self._names[value] for value in self._forward.entries)])
        lines = [Line(0, "", f"def forward({arguments}):")]
        shorts = self._find_shorts(taken)
        self._functions |= {short.name for short in shorts.values()}
        for at, item in enumerate(self._items):
            lines += self._container_line(shorts.get(at), at)
            if isinstance(item, Loop):
                lines += self._loop_lines(item, at)
            elif not self._is_inlined(item):
                lines.append(self._line(item, at))
        end = len(self._items)
        lines += self._container_line(shorts.get(end), end)
        return [*lines, Line(4, "return ", self._renderer.returned(self._forward.returned))]

    # ------------------------------------------------------------ names of containers

    def _container_line(self, short: Short | None, at: int) -> list[Line]:
        """The line that gives a container a name before an item, if there is one."""
        if short is not None:
            self._renderer.short = short
            return [Line(4, f"{short.name} = ", reference(short.path))]
        if self._renderer.short is not None and self._renderer.short.last < at:
            self._renderer.short = None
        return []

    def _find_shorts(self, taken: set[str]) -> dict[int, Short]:
        """Names for deep containers, by the number of the first item that uses each."""
        found: dict[int, Short] = {}
        named = [(at, [*self._containers(item)]) for at, item in enumerate(self._items) if not self._is_inlined(item)]
        returned = [value.maker for value in self._forward.returned.values if value in self._inlined]
        named.append((len(self._items), [path for each in returned if each for path in self._containers(each)]))
        named = [(at, paths) for at, paths in named if paths]
        at = 0
        while at < len(named):
            last, path = _find_run(named, at)
            if path:
                word = last_word(path)
                word = _singular(word) if path[-1].isdigit() else word
                found[named[at][0]] = Short(path, unused(identifier(word), taken), named[last][0])
            at = last + 1
        return found

    def _containers(self, item: Item) -> Iterator[str]:
        """What holds the modules and parameters that a line names, once for each."""
        if isinstance(item, Loop):
            yield item.calls[0].target.rpartition(".")[0].rpartition(".")[0]
            return
        for path in (*item.layers(), *[item.target] * (item.kind == "parameter")):
            yield path.rpartition(".")[0]
        for value in item.reads():
            if value in self._inlined and value.maker is not None:
                yield from self._containers(value.maker)

    # ------------------------------------------------------------ what is written into its use

    def _inline(self) -> None:
        """Finds the values that are written into their use."""
        uses = count_uses(self._forward)
        readers: dict[Value, list[int]] = {}
        for at, item in enumerate(self._items):
            for call in item.calls if isinstance(item, Loop) else (item,):
                for value in call.reads():
                    readers.setdefault(value, []).append(at)
        for value in self._forward.returned.values:
            readers.setdefault(value, []).append(len(self._items))
        for at, item in enumerate(self._items):
            if isinstance(item, Loop) or len(item.outputs) != 1 or uses[item.outputs[0]] != 1:
                continue
            value, (reader,) = item.outputs[0], readers[item.outputs[0]]
            inner = max((self._depth[each] for each in item.reads() if each in self._inlined), default=0)
            self._depth[value] = inner + (item.kind in ("module", "function"))
            if self._may_be_inlined(item, at, reader):
                self._inlined.add(value)
                if self._reader_length(reader) > LONGEST:
                    self._inlined.remove(value)

    def _may_be_inlined(self, item: Statement, at: int, reader: int) -> bool:
        """Whether a statement may be written into the one that reads it, however long that becomes."""
        is_last = reader == len(self._items)
        user = None if is_last else self._items[reader]
        if isinstance(user, Loop):
            return False
        if item.kind == "function" and item.target in OPERATORS:
            returned = self._forward.returned
            halves = isinstance(user, Statement) and user.kind == "function" and user.target is operator.floordiv
            return halves or (is_last and not returned.weights)
        if item.kind in ("parameter", "batch", "slice", "method"):
            return True
        between = self._items[at + 1 : reader]
        if not all(map(self._is_inlined, between)):
            return False
        if user is not None and sum(1 for value in user.reads() if value in self._inlined) > 1:
            return False
        return self._depth[item.outputs[0]] < DEEPEST

    def _reader_length(self, reader: int) -> int:
        """Characters of the expression that an item is, roughly."""
        before = 7
        if reader == len(self._items):
            expressions = [self._renderer.argument(value) for value in self._forward.returned.values]
        else:
            item = self._items[reader]
            assert isinstance(item, Statement)
            before = sum(3 + len(value.hint or "x") for value in item.outputs)
            expressions = [self._renderer.expression(item)]
        return before + sum(_length(each) for part in expressions for each in pieces(part))

    def _is_inlined(self, item: Item) -> bool:
        """Whether an item is written into the one that reads it; a loop never is."""
        return not isinstance(item, Loop) and len(item.outputs) == 1 and item.outputs[0] in self._inlined

    def _reads(self, statement: Statement) -> Iterator[Value]:
        """The named values that a statement reads, in what is written into it too."""
        for value in statement.reads():
            if value in self._inlined and value.maker is not None:
                yield from self._reads(value.maker)
            else:
                yield value

    def _last_reads(self) -> dict[Value, int]:
        """The number of the last item that reads a value."""
        last: dict[Value, int] = {}
        for at, item in enumerate(self._items):
            for call in item.calls if isinstance(item, Loop) else (item,):
                if not self._is_inlined(call):
                    last.update(dict.fromkeys(self._reads(call), at))
        returned = self._forward.returned
        for value in returned.values:
            read = self._reads(value.maker) if value in self._inlined and value.maker is not None else [value]
            last.update(dict.fromkeys(read, len(self._items)))
        return last

    # ------------------------------------------------------------ lines

    def _used_names(self, at: int) -> set[str]:
        """Names of values that are still read behind an item."""
        self._alive = {value: name for value, name in self._alive.items() if self._last.get(value, -1) > at}
        read = {*self._alive.values()}
        return read | self._functions

    def _line(self, item: Statement, at: int) -> Line:
        expression = self._renderer.expression(item)
        taken = self._used_names(at)
        for value in item.outputs:
            if len(item.outputs) > 1 and value not in self._last:
                self._names[value] = "_"
                continue
            name = self._names[value] = self._alive[value] = unused(identifier(value.hint) if value.hint else "", taken)
            taken.add(name)
        is_read = any(value in self._last for value in item.outputs)
        before = ", ".join(self._names[value] for value in item.outputs) + " = " if is_read else ""
        return Line(4, before, expression, self._comment(item.outputs))

    def _loop_lines(self, loop: Loop, at: int) -> list[Line]:
        """A loop: values that flow have one name in it."""
        first, last = loop.calls[0], loop.calls[-1]
        lines: list[Line] = []
        arguments = [self._renderer.argument(each) for each in first.arguments]
        outputs: dict[int, str] = {}
        taken = self._used_names(at)
        for place, output in loop.flows.items():
            value = first.arguments[place]
            name = self._names[value]
            stays = any(each is value for other, each in enumerate(first.arguments) if other not in loop.flows)
            if stays or self._last.get(value, -1) > at or name in outputs.values():
                other = unused("", taken | {*self._names.values()})
                lines.append(Line(4, f"{other} = ", name))
                name = other
            arguments[place] = outputs[output] = name
            taken.add(name)
        for number, value in enumerate(last.outputs):
            self._names[value] = self._alive[value] = outputs[number]
        path = first.target.rpartition(".")[0]
        names = list(self._below(path))
        start, stop = (names.index(each.target.rpartition(".")[2]) for each in (first, last))
        every = self._renderer.reference(path)
        if len(loop.calls) < len(names):
            every += f"[{start or ''}:{'' if stop + 1 == len(names) else stop + 1}]"
        each = unused(identifier(_singular(last_word(path))), {*self._names.values(), *self._functions})
        lines.append(Line(4, "", f"for {each} in {every}:"))
        call = Apply(f"{each}(", tuple(arguments))
        before = ", ".join(outputs[number] for number in range(len(first.outputs)))
        return [*lines, Line(8, f"{before} = ", call, self._comment(last.outputs))]

    def _comment(self, outputs: list[Value]) -> Slot | None:
        """The shape of what a line makes."""
        if len(outputs) != 1 or outputs[0].shape is None:
            return None
        shape, letters = outputs[0].shape
        return Slot(shape, "shape", letters)


def _length(piece: str | Slot) -> int:
    """Characters of a piece; a number may become `self.name`."""
    return len(piece) if isinstance(piece, str) else len(piece.name) + 5


def _find_run(named: list[tuple[int, list[str]]], first: int) -> tuple[int, str]:
    """The last of the lines from `first` on that share a deep container, and that container; empty: there is none."""
    shared, count, last = _common(named[first][1]), len(named[first][1]), first
    for index in range(first + 1, len(named)):
        paths = named[index][1]
        narrower = _common([".".join(shared), *paths])
        if len(narrower) < DEEP or (len(narrower) < len(shared) and count >= OFTEN):
            break
        shared, count, last = narrower, count + len(paths), index
    return (last, ".".join(shared)) if count >= OFTEN and len(shared) >= DEEP else (first, "")


def _common(paths: Sequence[str]) -> list[str]:
    """The names that paths begin with."""
    columns = zip(*(path.split(".") for path in paths), strict=False)
    return [names[0] for names in takewhile(lambda names: len({*names}) == 1, columns)]


def _singular(word: str) -> str:
    return {"body": "layer", "": "layer", "forward": "layer"}.get(word, word)
