"""Which sizes an exported program takes: a batch of any length, and images of other heights and widths."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from vitdsl.compiler.model import VisionModel
from vitdsl.compiler.ties import find_tie
from vitdsl.errors import InputError, Problem, SpecError
from vitdsl.exporting.names import AXES
from vitdsl.graph.graph import Graph

FURTHEST = 64
"""The largest step from one size to the next that is looked for, where none divides the model's own size; and the
largest number of pixels that strides make one of: with it, what a rest of them does begins anew."""


class Side(NamedTuple):
    """Lengths that a side of the image may have: least, least + step, …; without a step `least` alone."""

    least: int
    step: int

    @property
    def refuses(self) -> bool:
        """Whether it takes multiples of a number alone."""
        return self.step > 1 and self.least % self.step == 0

    def beyond(self, length: int, factor: float) -> int:
        """The next length that is at least so many times as long; without a step the length itself."""
        return length + math.ceil((factor - 1) * length / self.step) * self.step if self.step else length

    def __str__(self) -> str:
        """In words, as `224`, `any from 32`, `multiples of 16 from 32` or `16·k + 1 from 33`."""
        if not self.step:
            return str(self.least)
        rest = self.least % self.step
        kind = "any" if self.step == 1 else f"{self.step}·k + {rest}" if rest else f"multiples of {self.step}"
        return f"{kind} from {self.least}"


class Sizes(NamedTuple):
    """The images of a program.

    Attributes:
        batch: whether it takes batches of any length, rather than one image.
        channels: of the images.
        sides: height and width.
        traced: the size of image with which it is traced.
    """

    batch: bool
    channels: int
    sides: tuple[Side, Side]
    traced: tuple[int, int]

    @property
    def shapes(self) -> list[tuple[int, int, int, int]]:
        """Images to compare the program with the model on: the shape that is traced, and others that it takes."""
        height, width = self.traced
        shapes = [(2 if self.batch else 1, self.channels, height, width)]
        least = (self.sides[0].least, self.sides[1].least)
        other = (self.sides[0].beyond(height, 5 / 4), self.sides[1].beyond(width, 4 / 3))
        counts = (1, 3) if self.batch else (1, 1)
        sizes = dict.fromkeys((least, other)) if any(side.step for side in self.sides) else {self.traced: None}
        shapes += [(count, self.channels, *size) for count, size in zip(counts, sizes, strict=False)]
        return [*dict.fromkeys(shapes)]

    @property
    def dims(self) -> dict[int, Any]:
        """The symbols of the axes that are dynamic, as `torch.export` takes them."""
        from torch.export import Dim

        dims: dict[int, Any] = {0: Dim("batch", min=1)} if self.batch else {}
        for axis, name, side in zip((2, 3), AXES[1:], self.sides, strict=True):
            if side.step == 1:
                dims[axis] = Dim(name, min=side.least)
            elif side.step:
                dims[axis] = side.step * Dim(f"{name}_steps", min=side.least // side.step)
                dims[axis] = dims[axis] + side.least % side.step if side.least % side.step else dims[axis]
        return dims

    def described(self) -> dict[str, str | int]:
        """Each axis, as a text of a file's header and JSON have it."""
        height, width = (str(side) if side.step else side.least for side in self.sides)
        return {"batch": "any from 1" if self.batch else 1, "channels": self.channels, "height": height, "width": width}


def find_sizes(model: VisionModel, dynamic: Collection[str]) -> Sizes:
    """The sizes that a program of a model takes.

    Args:
        model: what is exported.
        dynamic: the axes that may vary, of `AXES`.

    Raises:
        InputError: no other size was found that a model could be built for.
        SpecError: a part is made for one size of image; at its place in the file.
    """
    channels, size = model.lowered.frame.features[0].dim, model.image_size
    moving = [index for index, name in enumerate(AXES[1:]) if name in dynamic]
    sides = [Side(length, 0) for length in size]
    for index in moving:
        step = _step(model, index)
        sides[index] = Side(_least(model, index, step), step)
    if moving:
        _refuse_tie(model, (sides[0].beyond(size[0], 2), sides[1].beyond(size[1], 3)), moving)
    traced = [max(length, side.least) for length, side in zip(size, sides, strict=True)]
    return Sizes("batch" in dynamic, channels, (sides[0], sides[1]), (traced[0], traced[1]))


def _refuse_tie(model: VisionModel, other: tuple[int, int], moving: list[int]) -> None:
    """Refuses a model that is another one for other sizes."""
    found = find_tie(model, other)
    if found is not None:
        names = " and ".join(AXES[1 + index] for index in moving)
        message = f"the {names} of an exported program cannot be dynamic: {found.message}"
        hint = "`--dynamic batch` exports a program for one size of image, `--size` says which"
        raise SpecError(Problem(message, found.path, found.mark, hint, code=found.code))


def _step(model: VisionModel, index: int) -> int:
    """The least difference between lengths of a side that a spec can be built for."""
    length = model.image_size[index]
    divisors = [number for number in range(1, length + 1) if length % number == 0]
    for step in (*divisors, *(number for number in range(2, FURTHEST + 1) if length % number)):
        turns = max(3, FURTHEST // math.gcd(step, FURTHEST))
        if all(_graph(model, index, length + times * step) for times in range(1, turns + 1)):
            return step
    raise InputError(
        Problem(f"no other {AXES[1 + index]} than {length} was found that the spec can be built for", code="E612")
    )


def _least(model: VisionModel, index: int, step: int) -> int:
    """The least length of a side with which every grid of the image has more than one row and column.

    A symbol of torch stands for lengths from 2 on: what is made of one row may broadcast.
    """
    length = model.image_size[index]
    lengths = range(length % step or step, length + FURTHEST * step, step)
    large = _graph(model, index, lengths[-1])
    low, high = 0, len(lengths) - 1
    while low < high:  # grids grow with the image
        middle = (low + high) // 2
        graph = _graph(model, index, lengths[middle])
        low, high = (low, middle) if graph and large and _is_wide(graph, large, index) else (middle + 1, high)
    return lengths[low]


def _is_wide(graph: Graph, large: Graph, index: int) -> bool:
    """Whether no grid is a single row (or column) that is more than one for a large image."""
    sides = ([grid[index] for grid in _grids(each)] for each in (graph, large))
    return all(side > 1 or most == 1 for side, most in zip(*sides, strict=False))


def _grids(graph: Graph) -> Iterator[tuple[int, int]]:
    for _, node, frame in graph.frame.nodes():
        grid = frame.features[node.output].grid
        if grid is not None:
            yield grid


def _graph(model: VisionModel, index: int, length: int) -> Graph | None:
    """The graph for images of another length of one side, or None."""
    size = list(model.image_size)
    size[index] = length
    try:
        return model.graph_for((size[0], size[1]))
    except SpecError:
        return None
