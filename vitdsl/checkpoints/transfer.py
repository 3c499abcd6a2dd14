"""Weights of one spec in a model of another, edited from it: what fits by path, what is resized, what is adapted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vitdsl.checkpoints.resizing import resizers
from vitdsl.errors import CheckpointError
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, joined

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vitdsl.layers.tables import Grid

CLASSIFIER = "classifier"
"""What the paths of classifiers have in them."""
CHANNELS = ("repeat", "mean", "first")
"""How a first convolution is fitted to images of other channels."""


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
    made = kernel_oikk.new_zeros(kernel_oikk.shape[0], channels, *kernel_oikk.shape[2:])
    made[:, :old] = kernel_oikk[:, :channels]
    return made


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


def grids(model: nn.Module) -> dict[str, tuple[int, int]]:
    """The grids of a model's tables of positions, by key."""
    found = {key: resizer.table.grid for key, resizer in resizers(model).items()}
    return {key: (grid[0], grid[1]) for key, grid in found.items() if len(grid) == 2}


class Fitted(NamedTuple):
    """What became of tensors with our names, each under the name that it has."""

    copied: dict[str, Tensor]
    resized: dict[str, Tensor]
    adapted: dict[str, Tensor]
    left: tuple[str, ...]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that the model takes."""
        return {**self.copied, **self.resized, **self.adapted}


class Fitting:
    """How a model takes tensors of its own paths, whose shapes may be those of another spec.

    Args:
        model: what is to be filled.
        channels: how its first convolution is fitted to other channels, if it is.
        grids: by key, the grids that the tensors' tables are for, as far as they are known.

    Raises:
        CheckpointError: there is no such way.
    """

    def __init__(self, model: nn.Module, channels: str | None, grids: Mapping[str, Grid]) -> None:
        if channels is not None and channels not in CHANNELS:
            raise CheckpointError(f"`channels` must be one of {', '.join(CHANNELS)}, found `{channels}`.")
        self.shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
        self.resizers, self.channels, self.model, self.grids = resizers(model), channels, model, grids
        self._first: set[str] | None = None

    def accepts(self, key: str, tensor: Tensor) -> bool:
        """Whether a tensor of another shape than the model's is made to fit."""
        return self._resizes(key, tensor) or (self.channels is not None and self.other_channels(key, tensor))

    def other_channels(self, key: str, tensor: Tensor) -> bool:
        """Whether it is a first convolution, and only the number of channels differs."""
        mine, found = self.shapes[key], tuple(tensor.shape)
        if len(mine) != 4 or len(found) != 4 or (mine[0], *mine[2:]) != (found[0], *found[2:]):
            return False
        if self._first is None:
            self._first = first_convolutions(self.model)
        return key in self._first

    def remedy(self, key: str, tensor: Tensor) -> str:
        """What to do about a tensor of another shape: a sentence behind a space, or nothing."""
        mine, found = self.shapes.get(key, ()), tuple(tensor.shape)
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
        if key in self.resizers:
            grid = "x".join(map(str, self.resizers[key].table.grid))
            return f" Its grid is not known: it is no square, and has not the aspect of ours, {grid}."
        return ""

    def fit(self, made: Mapping[str, Tensor]) -> Fitted:
        """Sorts tensors into those that are taken, and how, and those that are left."""
        fitted = Fitted({}, {}, {}, tuple(key for key, tensor in made.items() if not self._takes(key, tensor)))
        for key in self.shapes:
            if key not in made or key in fitted.left:
                continue
            tensor = made[key]
            if tuple(tensor.shape) == self.shapes[key] and not self._turned(key):
                fitted.copied[key] = tensor
            elif self._resizes(key, tensor):
                fitted.resized[key] = self.resizers[key](tensor, self.grids.get(key))
            else:
                assert self.channels is not None
                fitted.adapted[key] = fit_channels(tensor, self.shapes[key][1], self.channels)
        return fitted

    def _takes(self, key: str, tensor: Tensor) -> bool:
        if key not in self.shapes:
            return False
        return tuple(tensor.shape) == self.shapes[key] or self.accepts(key, tensor)

    def _resizes(self, key: str, tensor: Tensor) -> bool:
        return key in self.resizers and self.resizers[key].fits(tensor, self.grids.get(key))

    def _turned(self, key: str) -> bool:
        """Whether a tensor is known to be for another grid than the model's, whatever its shape."""
        return key in self.resizers and self.grids.get(key) not in (None, self.resizers[key].table.grid)
