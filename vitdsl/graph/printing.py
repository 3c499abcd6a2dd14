"""Prints frames as stable text: one node a line, values numbered as in `%3`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from vitdsl.features import Feature
from vitdsl.fields.record import Fields
from vitdsl.graph.ir import HERE, Call, Frame, Node
from vitdsl.graph.schedule import BlockRate

UNKNOWN = "%?"
"""The text for a value without a definition, which only an invalid graph has."""


class Printer:
    """Prints frames; values are numbered through the whole text, in the order of their definitions."""

    def __init__(self) -> None:
        self._count = 0

    def defined(self) -> str:
        """The number of a new value."""
        self._count += 1
        return f"%{self._count - 1}"

    def steps(self, frame: Frame, values: dict[int, str], indent: str) -> Iterator[str]:
        """The lines of a frame's steps.

        Args:
            frame: the frame.
            values: the printed names of the frame's values, by number in the frame; new ones are added.
            indent: the beginning of each line.
        """
        for step in frame.steps:
            if isinstance(step, Node):
                values[step.output] = self.defined()
                yield indent + _node(frame, step, values)
            else:
                yield from self._call(frame, step, values, indent)

    def _call(self, frame: Frame, step: Call, values: dict[int, str], indent: str) -> Iterator[str]:
        """Prints equal repetitions once; a stream that they change gets a number of its own inside of them."""
        state = {name: values.get(number, UNKNOWN) for name, number in step.reads.items()}
        first = step.first
        for _, group in groupby(step.frames, key=id):
            (inner, *more) = group
            inside, reads = {}, []
            for name, number in inner.inputs.items():
                before = state.get(name, UNKNOWN)
                carried = more and name in inner.outputs
                inside[number] = self.defined() if carried else before
                reads.append(f"{_stream(name)} {inside[number]} = {before}" if carried else f"{_stream(name)} {before}")
            lines = list(self.steps(inner, inside, indent + "  "))
            gives = []
            for name, number in inner.outputs.items():
                state[name] = inside.get(number, UNKNOWN)
                gives.append(f"{_stream(name)} {state[name]} {inner.features[number]}")
            for name, numbers in inner.appends.items():
                gives += [f"{name}[] {inside.get(number, UNKNOWN)} {inner.features[number]}" for number in numbers]
            where = f"{step.path}.{first}" if step.numbered else step.path
            times = f" x{len(more) + 1}" if more else ""
            yield f"{indent}{where}{times} ({', '.join(reads)} -> {', '.join(gives)})"
            yield from lines
            first += len(more) + 1
        values.update({number: state.get(name, UNKNOWN) for name, number in step.gives.items()})
        for name, number in step.appends.items():
            values[number] = self.defined()
            yield f"{indent}{values[number]} = {step.path} {name}[] -> {frame.features[number]}"


def _node(frame: Frame, node: Node, values: dict[int, str]) -> str:
    name = node.path or node.op.type
    kind = "" if name.rsplit(".", 1)[-1] == node.op.type else f" {node.op.type}"
    arguments = ", ".join([*(values.get(number, UNKNOWN) for number in node.inputs), *_fields(node.op)])
    times = f"  x{node.times} windows" if node.times > 1 else ""
    cost = f"  params {node.cost.params:,}" if node.cost.params else ""
    cost += f"  macs {node.cost.macs:,}" if node.cost.macs else ""
    shared = "  shared" if node.shared else ""
    output = frame.features[node.output]
    return f"{values[node.output]} = {name}{kind}({arguments}) -> {output}{times}{cost}{shared}"


def _stream(name: str) -> str:
    """The name of a stream; `x` for the value of a body that works on no stream."""
    return "x" if name == HERE else name


def _fields(fields: Fields) -> Iterator[str]:
    return (f"{name}={value}" for name, value in field_texts(fields))


def field_texts(fields: Fields) -> Iterator[tuple[str, str]]:
    """Names and values of an operator's fields that differ from their defaults.

    Its norm and activation are nodes of their own, and left out.
    """
    known = fields.fields
    for name, value in fields.__dict__.items():
        usual = name == "type" or name in fields.followers or value == known[name].default
        if not usual and not isinstance(value, Feature):  # a feature is the result's, which is printed anyway
            yield name, _value(value)


def _value(value: Any) -> str:
    """A field's value: a size as 7x7, a mapping as its fields that differ from their defaults."""
    if isinstance(value, Fields):
        return f"{{{', '.join(_fields(value))}}}"
    if isinstance(value, (tuple, list)):
        if isinstance(value, tuple) and len(value) == 2 and all(type(each) is int for each in value):
            return f"{value[0]}x{value[1]}"
        return f"[{', '.join(map(_value, value))}]"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def rates(blocks: Iterable[BlockRate]) -> Iterator[str]:
    """A line for each sequence of numbered blocks below one path, with their rates."""
    for parent, group in groupby(blocks, key=lambda block: block.path.rpartition(".")[0] or block.path):
        found = list(group)
        numbers = [block.path.removeprefix(f"{parent}.") for block in found]
        if len(found) > 1 and all(number.isdecimal() for number in numbers):
            yield f"{parent}.{numbers[0]} to {numbers[-1]}: {', '.join(f'{block.rate:.4g}' for block in found)}"
        else:
            yield from (f"{block.path}: {block.rate:.4g}" for block in found)
