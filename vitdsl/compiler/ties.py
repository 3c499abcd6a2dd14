"""What ties a model to the size of its images, and where the spec says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from vitdsl.compiler.base import CompiledModel, Size
from vitdsl.compiler.likeness import build_layer, difference, ingredients
from vitdsl.compiler.tree import has_module
from vitdsl.errors import Problem, SpecError
from vitdsl.graph.graph import Graph
from vitdsl.graph.operators import LearnedTokens, OpenWindows
from vitdsl.graph.paths import written_path
from vitdsl.syntax.locate import problem
from vitdsl.syntax.summary import facts

OF_THE_GRID = frozenset({"height", "width"})
"""Names of late values that another size of image may change."""


def find_tie(model: CompiledModel, size: Size) -> Problem | None:
    """The first thing that makes a model another one for images of another size, at its place in the file.

    Args:
        model: what was built.
        size: of images for which a model can be built too.

    Returns:
        None: with the same weights, it is the same for both sizes.
    """
    tree = model.spec.tree
    for location, name in _late_sides(tree, ()):
        return problem(
            tree, location, f"this is computed from the grid's {name}, which the size of the image changes", code="E612"
        )
    graph, other = model.graph_for(model.image_size), model.graph_for(size)
    windowed = _first_in_windows(graph)
    if windowed is not None:
        message = "how many windows there are, and what a shift hides in them, is laid out for one size of image"
        return problem(tree, written_path(model.spec, windowed), message, code="E612")
    path = difference(graph, other, model.training_outputs)
    if path is None:
        return None
    place = written_path(model.spec, _first_layer(graph, path)) if path else ()
    return problem(tree, place, _reason(graph, other, path, size), code="E612")


def _late_sides(node: Any, location: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """The innermost places whose late values name a side of a grid, with that name."""
    named = facts(node).names & OF_THE_GRID
    if not named:
        return
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    inner = [found for key, entry in entries for found in _late_sides(entry, (*location, key))]
    yield from inner or [(location, min(named))]


def _first_in_windows(graph: Graph) -> str | None:
    """The module path of the first operator that runs in windows, or None."""
    opened = False
    for path, node, _ in graph.frame.nodes():
        if (opened and has_module(node)) or getattr(node.op, "windows", None) is not None:
            return path
        opened = opened or isinstance(node.op, OpenWindows)
    return None


def _first_layer(graph: Graph, path: str) -> str:
    """The module path of the first layer at a path or below it, as a spec has a place for each of these."""
    layers = (where for where, node, _ in graph.frame.nodes() if has_module(node))
    return next((where for where in layers if where == path or where.startswith(f"{path}.")), path)


def _reason(graph: Graph, other: Graph, path: str, size: Size) -> str:
    """Why what is at a module path is another thing for another size."""
    here, there = (f"{height}x{width}" for height, width in (graph.frame.features[0].grid or size, size))
    layers = [_layer(each, path) for each in (graph, other)]
    if None in layers:
        return f"other operators run here for images of {here} than for images of {there}"
    shapes = [{name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()} for layer in layers]
    for name, shape in shapes[0].items():
        if name not in getattr(layers[0], "flexible", ()) and shape != shapes[1].get(name, shape):
            return f"`{path}.{name}` is {shape} for images of {here}, and {shapes[1][name]} for images of {there}"
    return f"`{path}` is made for images of {here}, and is another one for images of {there}"


def _layer(graph: Graph, path: str) -> Any:
    """The layer at a module path, without values, or None."""
    for where, node, frame in graph.frame.nodes():
        if where == path and has_module(node) and not isinstance(node.op, LearnedTokens):
            with torch.device("meta"):
                return build_layer(ingredients(frame, node))
    return None


def is_free(model: CompiledModel) -> bool:
    """Whether nothing in a model depends on the size of its image but what its patches must tile.

    So it is where it has no windows, no late value names a side of a grid, and it is the same for one size that makes
    every grid another.
    """
    height, width = model.image_size
    try:
        return find_tie(model, (2 * height, 3 * width)) is None
    except SpecError:
        return False
