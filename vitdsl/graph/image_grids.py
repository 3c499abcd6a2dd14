"""Finds the values on a grid of the image. Attention maps have a grid too, but of queries and keys."""

from __future__ import annotations

from typing import NamedTuple

from vitdsl.graph.ir import Call, Frame, Node
from vitdsl.graph.operators import Put
from vitdsl.parts.primitives.gather import Gather


class Pairs(NamedTuple):
    """A grid of pairs of a query and a key; `queries` says what the grid of the queries is."""

    queries: Grid


Grid = bool | Pairs
"""Whether the grid of a value is a grid of the image; `Pairs` is not."""
Memo = dict[tuple[int, tuple[Grid, ...]], dict[int, Grid]]


def on_image(frame: Frame) -> set[int]:
    """Numbers of the values of a model's frame that lie on a grid of the image."""
    entering: dict[str, Grid] = dict.fromkeys(frame.inputs, True)
    return {number for number, grid in _grids(frame, entering, {}).items() if grid is True}


def _grids(frame: Frame, entering: dict[str, Grid], memo: Memo) -> dict[int, Grid]:
    """The kind of grid of each value of a frame, for inputs with these kinds of grids, by stream."""
    key = (id(frame), tuple(entering[name] for name in frame.inputs))
    if key not in memo:
        found = memo[key] = {number: entering[name] for name, number in frame.inputs.items()}
        for step in frame.steps:
            if isinstance(step, Node):
                found[step.output] = _made(frame, step, found)
            else:
                _called(step, found, memo)
    return memo[key]


def _called(step: Call, found: dict[int, Grid], memo: Memo) -> None:
    state = {name: found.get(number, False) for name, number in step.reads.items()}
    for inner in step.frames:
        inside = _grids(inner, {name: state[name] for name in inner.inputs}, memo)
        state |= {name: inside.get(number, False) for name, number in inner.outputs.items()}
    found.update({number: state[name] for name, number in step.gives.items()})


def _made(frame: Frame, node: Node, found: dict[int, Grid]) -> Grid:
    """The kind of grid of a node's result: that of its first operand with a grid."""
    entering = [found.get(number, False) for number in node.inputs if frame.features[number].grid is not None]
    if not entering:
        return False
    first = entering[-1] if isinstance(node.op, Put) else entering[0]
    if isinstance(node.op, Gather):
        return first.queries if isinstance(first, Pairs) else False
    return Pairs(first) if node.op.pairs else first
