"""Finds mixers that act on pixels of the image, because there is no tokenizer before them."""

from __future__ import annotations

from collections.abc import Iterator

from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, joined

MIXING = ("attend", "scores", "modulate", "performer_attend")
"""Operators of mixers in which queries meet keys; the queries are the first operand."""


def mixers_on_pixels(graph: Graph) -> list[tuple[str, int]]:
    """Module paths of mixers outside of windows whose queries are the pixels of the image, with their number.

    Stages with a tokenizer are left out: their file chose the tokens, even if each is one pixel.
    """
    frame = graph.frame
    sizes = {frame.features[number].grid for name, number in frame.inputs.items() if name == "image"}
    calls = (step for step in frame.steps if isinstance(step, Call))
    return [found for call in calls for path, each in call.paths() for found in _mixing(each, path, sizes)]


def _mixing(frame: Frame, prefix: str, sizes: set[tuple[int, int] | None]) -> Iterator[tuple[str, int]]:
    for step in frame.steps:
        if isinstance(step, Call):
            path, inner = next(iter(step.paths()), ("", None))  # repetitions are alike in what enters them
            if inner is not None:
                yield from _mixing(inner, joined(prefix, path), sizes)
        elif step.path.startswith("tokenizer"):
            return
        elif step.op.type in MIXING and step.times == 1:
            grid = frame.features[step.inputs[0]].grid
            if grid is not None and grid in sizes:
                yield joined(prefix, step.path).rpartition(".")[0], grid[0] * grid[1]
