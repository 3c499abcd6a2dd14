"""How a model takes tensors of its own paths that are made for another grid or for images of other channels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitdsl.checkpoints.state import grids_of
from vitdsl.errors import CheckpointError
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, joined

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vitdsl.checkpoints.state import Grids
    from vitdsl.layers.tables import Grid, Table

CLASSIFIER = "classifier"
"""What the paths of classifiers have in them."""
CHANNELS = ("repeat", "mean", "first")
"""How a first convolution is fitted to images of other channels."""
SIZE = "`size=(h, w)`, or `--weights-size HxW`, says for which size of image the weights are."
WAYS = ("copied", "resized", "adapted")
"""How a model takes a tensor."""


class Fitting:
    """How a model takes tensors of its own paths, whose shapes may be those of another spec.

    Args:
        model: what is to be filled.
        channels: how its first convolution is fitted to other channels, if it is.
        grids: by key, for which grids the tables are that do not say it themselves.

    Raises:
        CheckpointError: there is no such way of channels.
    """

    def __init__(self, model: nn.Module, channels: str | None, grids: Grids) -> None:
        if channels is not None and channels not in CHANNELS:
            raise CheckpointError(f"`channels` must be one of {', '.join(CHANNELS)}, found `{channels}`.", code="E205")
        self.shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
        self.resizers, self.channels, self.model, self.grids = resizers(model), channels, model, grids
        self._first: set[str] | None = None

    def way(self, key: str, tensor: Tensor, grid: Grid | None) -> str | None:
        """How the model takes a tensor, one of `WAYS`; None: it does not.

        Args:
            key: the model's.
            tensor: what is to be put there.
            grid: that the tensor is a table for, if it says so.
        """
        same = tuple(tensor.shape) == self.shapes[key]
        if key in self.resizers:
            grid = grid or self.grids.get(key)
            if same and grid in (None, self.resizers[key].table.grid):
                return "copied"
            return "resized" if self.resizers[key].fits(tensor, grid) else None
        return "copied" if same else "adapted" if self.channels and self.other_channels(key, tensor) else None

    def fit(self, weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """All that the model takes of some weights, by key, for each of `WAYS`."""
        grids = grids_of(weights)
        result: dict[str, dict[str, Tensor]] = {way: {} for way in WAYS}
        for key in (key for key in self.shapes if key in weights):
            tensor, grid = weights[key], grids.get(key)
            way = self.way(key, tensor, grid)
            if way == "resized":
                tensor = self.resizers[key](tensor, grid or self.grids.get(key))
            elif way == "adapted":
                tensor = fit_channels(tensor, self.shapes[key][1], self.channels or "")
            if way is not None:
                result[way][key] = tensor
        return result

    def assumed(self, weights: Mapping[str, Tensor]) -> dict[str, Grid]:
        """The grids, by key, that are taken for granted though they could as well be those of a turned image."""
        known = {**self.grids, **grids_of(weights)}
        grids = {
            key: resizer.grid(weights[key])
            for key, resizer in self.resizers.items()
            if key in weights and key not in known and resizer.alike(weights[key])
        }
        return {key: grid for key, grid in grids.items() if grid is not None and len(set(grid)) > 1}

    def misfit(self, key: str, tensor: Tensor, grid: Grid | None) -> str | None:
        """None where the model takes a tensor; else what to do about it: a sentence behind a space, or nothing."""
        if self.way(key, tensor, grid):
            return None
        mine, found = self.shapes[key], tuple(tensor.shape)
        if key in self.resizers and self.resizers[key].alike(tensor):
            return self.resizers[key].remedy(tensor, grid or self.grids.get(key))
        if not mine or not found:
            return ""
        if self.other_channels(key, tensor):
            ways = ", ".join(f"`{how}`" for how in CHANNELS)
            return (
                f" The weights are for images of {found[1]} channels, the model for {mine[1]}: `channels=`, or "
                f"`--channels`, fits them ({ways})."
            )
        if CLASSIFIER in key.split(".") and mine[1:] == found[1:]:
            return (
                f" The weights are for {found[0]} classes, the model for {mine[0]}: build with `classes: {found[0]}`, "
                "or leave this classifier as it is initialized with `partial=True`, or `--partial`."
            )
        return ""

    def other_channels(self, key: str, tensor: Tensor) -> bool:
        """Whether it is a first convolution, and only the number of channels differs."""
        mine, found = self.shapes[key], tuple(tensor.shape)
        if len(mine) != 4 or len(found) != 4 or (mine[0], *mine[2:]) != (found[0], *found[2:]):
            return False
        if self._first is None:
            self._first = first_convolutions(self.model)
        return key in self._first


@dataclass(frozen=True)
class Resizer:
    """How one table of a model takes a table of another grid, by its own layer's rule.

    Where nothing says what grid a table is for, it is taken to be the model's where the count agrees, else to be
    square, as those of published weights are, or to have the aspect of the model's.

    Attributes:
        shape: of the model's table.
        table: how it belongs to the model's grid.
    """

    shape: tuple[int, ...]
    table: Table

    def alike(self, tensor: Tensor) -> bool:
        """Whether nothing but the number of entries differs."""
        shape = list(tensor.shape)
        shape[self.table.axis : self.table.axis + 1] = self.shape[self.table.axis : self.table.axis + 1]
        return tuple(shape) == self.shape and tensor.ndim == len(self.shape)

    def fits(self, tensor: Tensor, grid: Grid | None = None) -> bool:
        """Whether nothing but the grid differs, which may be known."""
        return self.alike(tensor) and self.grid(tensor, grid) is not None

    def __call__(self, tensor: Tensor, grid: Grid | None = None) -> Tensor:
        """The table for the model's grid."""
        old = self.grid(tensor, grid)
        assert old is not None
        return self.table.resize(tensor, old, self.table.grid)

    def grid(self, tensor: Tensor, known: Grid | None = None) -> Grid | None:
        """The grid of a table; None where it cannot be said, or what is known of it is wrong."""
        count = tensor.shape[self.table.axis]
        if known is not None:
            return known if len(known) == len(self.table.grid) and self.table.entries(known) == count else None
        own = self.table.grid
        if self.table.entries(own) == count:
            return own
        aspects = {(1,) * len(own), tuple(length // math.gcd(*own) for length in own)}
        grids = {grid for aspect in aspects if (grid := self._scaled(aspect, count)) is not None}
        return grids.pop() if len(grids) == 1 else None

    def _scaled(self, aspect: Grid, count: int) -> Grid | None:
        """The grid of an aspect that has so many entries, which grow with it."""
        low, high = 1, count + 1
        while low < high:
            middle = (low + high) // 2
            if self.table.entries(tuple(middle * length for length in aspect)) < count:
                low = middle + 1
            else:
                high = middle
        grid = tuple(low * length for length in aspect)
        return grid if self.table.entries(grid) == count else None

    def remedy(self, tensor: Tensor, known: Grid | None) -> str:
        """What to do about a table that does not fit: a sentence behind a space."""
        if known is None:
            return (
                " Its grid is not known: it is no square, and has not the aspect of ours, "
                f"{grid_text(self.table.grid)}. {SIZE}"
            )
        entries = self.table.entries(known) if len(known) == len(self.table.grid) else "no"
        return f" Its grid is said to be {grid_text(known)}, which has {entries} entries."


def resizers(model: nn.Module) -> dict[str, Resizer]:
    """The tables of a model that can be resized, by key."""
    from vitdsl.layers.tables import GridLayer

    return {
        f"{path}.{name}": Resizer(tuple(getattr(module, name).shape), table)
        for path, module in model.named_modules()
        if isinstance(module, GridLayer)
        for name, table in module.tables().items()
    }


def grids(model: nn.Module) -> dict[str, Grid]:
    """The grids of a model's tables, by key."""
    return {key: resizer.table.grid for key, resizer in resizers(model).items()}


def grid_text(grid: Grid) -> str:
    """A grid in a message: 14x28."""
    return "x".join(map(str, grid))


def fit_channels(kernel_oikk: Tensor, channels: int, how: str) -> Tensor:
    """The kernels of a first convolution, for images of another number of channels.

    - `repeat`: the kernels of the old channels over again, in order, each times old / new. An image that repeats its
      channels as often gives what it gave before: for further channels that look like the old ones.
    - `mean`: every channel gets the mean over the old ones, times old / new. An image whose channels are all equal
      gives what it gave before: for grey images.
    - `first`: the old channels' kernels as they are, as many as there are new ones, and zeros for the rest. Further
      channels change nothing until they are trained: for colours with depth or infrared behind them.

    Args:
        kernel_oikk: (outputs, old channels, height, width).
        channels: the new number.
        how: one of `CHANNELS`.

    Returns:
        (outputs, channels, height, width).
    """
    old = kernel_oikk.shape[1]
    if how == "repeat":
        return kernel_oikk[:, [index % old for index in range(channels)]] * (old / channels)
    if how == "mean":
        return kernel_oikk.mean(1, keepdim=True).expand(-1, channels, -1, -1) * (old / channels)
    result = kernel_oikk.new_zeros(kernel_oikk.shape[0], channels, *kernel_oikk.shape[2:])
    result[:, :old] = kernel_oikk[:, :channels]
    return result


def first_convolutions(model: nn.Module) -> set[str]:
    """Keys of the kernels that read the image itself."""
    built: Any = model
    graph: Graph = built.spec.graph(built.image_size)
    return {f"{path}.weight" for path in _reading(graph.frame, {*graph.frame.inputs.values()}, "")}


def _reading(frame: Frame, images: set[int], prefix: str) -> Iterator[str]:
    """Paths of the convolutions that read one of these values, or what was resized of it; adds to them."""
    for step in frame.steps:
        if isinstance(step, Call):
            path, inner = next(step.paths(), ("", frame))
            read = inner.inputs.keys() & {name for name, number in step.reads.items() if number in images}
            yield from _reading(inner, {inner.inputs[name] for name in read}, joined(prefix, path))
        elif step.op.type == "conv" and images.intersection(step.inputs):
            yield joined(prefix, step.path)
        elif images.intersection(step.inputs) and not step.cost.params:
            same = frame.features[step.output].dim == frame.features[step.inputs[0]].dim
            images |= {step.output} if same else set()
