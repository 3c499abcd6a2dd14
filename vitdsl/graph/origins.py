"""Where the tokens of a value were made: the same answer for two values says that these tokens are the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from vitdsl.graph.ir import Call, Frame, Node, joined
from vitdsl.graph.operators import Join, Put, Take


class Origin(NamedTuple):
    """Tokens of a value that is no portion of another one, and has none put in.

    Attributes:
        path: module path of the frame that makes the value.
        number: of the value in that frame.
        start: the first of the tokens.
        stop: the token behind the last.
    """

    path: str
    number: int
    start: int
    stop: int


Outer = Callable[[str, int, int], Origin]
"""Asked for tokens (start, stop) of a stream that a frame reads."""


def origin(frame: Frame, number: int) -> Origin:
    """Where all tokens of a value of a model's frame were made.

    Args:
        frame: the model's.
        number: of the value.
    """
    inputs = dict(frame.inputs)
    tokens = frame.features[number].num_tokens
    return _find(frame, number, 0, tokens, "", lambda name, start, stop: Origin("", inputs[name], start, stop))


def _find(frame: Frame, number: int, start: int, stop: int, path: str, outer: Outer) -> Origin:
    """Goes back from a value of a frame to what made the tokens."""
    for name, value in frame.inputs.items():
        if value == number:
            return outer(name, start, stop)
    for step in frame.steps:
        if isinstance(step, Call):
            for name, value in step.gives.items():
                if value == number:
                    return _in_call(frame, step, name, start, stop, path, outer)
        elif step.output == number and (found := _passed(frame, step, start, stop)) is not None:
            return _find(frame, *found, path, outer)
    return Origin(path, number, start, stop)


def _in_call(frame: Frame, call: Call, name: str, start: int, stop: int, path: str, outer: Outer) -> Origin:
    """Goes back through the repetitions of a call, from a stream behind the last."""
    runs = list(call.paths())

    def before(count: int, stream: str, start: int, stop: int) -> Origin:
        for index in reversed(range(count)):
            below, inner = runs[index]
            if stream in inner.outputs:
                return _find(inner, inner.outputs[stream], start, stop, joined(path, below), partial(before, index))
        return _find(frame, call.reads[stream], start, stop, path, outer)

    return before(len(runs), name, start, stop)


def _passed(frame: Frame, node: Node, start: int, stop: int) -> tuple[int, int, int] | None:
    """The operand that tokens of a result are passed on from, and their places in it; None: they are made here."""
    if isinstance(node.op, Take):
        return node.inputs[0], start + node.op.start, stop + node.op.start
    if isinstance(node.op, Put):
        end = node.op.start + frame.features[node.inputs[1]].num_tokens
        moved = node.op.stop - end
        if stop <= node.op.start:
            return node.inputs[0], start, stop
        if start >= end:
            return node.inputs[0], start + moved, stop + moved
        inside = node.op.start <= start and stop <= end
        return (node.inputs[1], start - node.op.start, stop - node.op.start) if inside else None
    if isinstance(node.op, Join):
        first = 0
        for number in node.inputs:
            last = first + frame.features[number].num_tokens
            if first <= start and stop <= last:
                return number, start - first, stop - first
            first = last
    return None
