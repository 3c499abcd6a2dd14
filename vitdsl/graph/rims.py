"""Finds rims of grids that operators leave out, and images that are stretched: allowed, but often not meant."""

from __future__ import annotations

from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, joined
from vitdsl.parts.primitives.resize import Resize
from vitdsl.parts.windowing import rim


def left_out(graph: Graph) -> dict[str, tuple[str, str]]:
    """For operators that never read the rim of their grid, by module path: the rim and the grid, in words."""
    found = {}
    for path, node, frame in graph.frame.nodes():
        features = [frame.features[number] for number in node.inputs]
        lost = node.op.leaves_out(*features) if node.op.on_grid else (0, 0)
        if lost != (0, 0):
            grid = features[0].grid
            assert grid is not None
            found[path] = rim(lost), f"{grid[0]}x{grid[1]}"
    return found


def stretched(graph: Graph) -> dict[str, tuple[str, str]]:
    """For operators that resize images to another aspect ratio, by module path: the size before and after."""
    image = graph.frame.features[0].grid
    assert image is not None
    found: dict[str, tuple[str, str]] = {}
    for path, (height, width) in _resized(graph.frame, {*graph.frame.inputs.values()}, ""):
        if height * image[1] != width * image[0]:
            found[path] = f"{image[0]}x{image[1]}", f"{height}x{width}"
    return found


def _resized(frame: Frame, images: set[int], prefix: str) -> list[tuple[str, tuple[int, int]]]:
    """Module paths of operators that resize the image itself to a fixed size, with that size."""
    found: list[tuple[str, tuple[int, int]]] = []
    for step in frame.steps:
        if isinstance(step, Call):
            path, inner = next(step.paths(), ("", frame))
            read = inner.inputs.keys() & {name for name, number in step.reads.items() if number in images}
            found += _resized(inner, {inner.inputs[name] for name in read}, joined(prefix, path)) if read else []
        elif images.intersection(step.inputs) and isinstance(step.op, Resize) and isinstance(step.op.size, tuple):
            found.append((joined(prefix, step.path), step.op.size))
    return found
