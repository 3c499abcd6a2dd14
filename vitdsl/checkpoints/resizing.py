"""Tables of positions whose grid differs from the model's, each resized by its own layer's rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Resizer:
    """How one table of a model takes a table of another grid.

    A table does not say what grid it is for; other grids are taken to be square, as those of published weights are.

    Attributes:
        shape: of the model's table.
        axis: along which it counts places.
        old: the side of the grid that so many places are, or None where they are no such grid.
        resize: makes the model's table of one for a square of that side.
    """

    shape: tuple[int, ...]
    axis: int
    old: Callable[[int], int | None]
    resize: Callable[[Tensor, int], Tensor]

    def fits(self, tensor: Tensor) -> bool:
        """Whether nothing but the grid differs."""
        shape = list(tensor.shape)
        if len(shape) != len(self.shape):
            return False
        places = shape[self.axis]
        shape[self.axis] = self.shape[self.axis]
        return tuple(shape) == self.shape and self.old(places) is not None

    def __call__(self, tensor: Tensor) -> Tensor:
        """The table for the model's grid."""
        side = self.old(tensor.shape[self.axis])
        assert side is not None
        return self.resize(tensor, side)


def resizers(model: nn.Module) -> dict[str, Resizer]:
    """The tables of a model that can be resized, by key."""
    from vitdsl.layers.positions import FixedPosition, LearnedPosition, WindowPosition
    from vitdsl.layers.relative import OffsetBias, OnKeys, Relative2d, RelativeBias

    makers: dict[type, Callable[..., dict[str, Resizer]]] = {
        LearnedPosition: _learned, FixedPosition: _fixed, WindowPosition: _window, OnKeys: _on_keys,
        RelativeBias: _relative, OffsetBias: _offset, Relative2d: _relative_2d,
    }  # fmt: skip
    found: dict[str, Resizer] = {}
    for path, module in model.named_modules():
        make = makers.get(type(module))
        if make is not None:
            found |= {f"{path}.{name}": resizer for name, resizer in make(module).items()}
    return found


def _learned(module: Any) -> dict[str, Resizer]:
    grid, extra, shape = module.grid, module.extra, tuple(module.weight.shape)
    if grid is None:
        return {}

    def resize(table: Tensor, side: int) -> Tensor:
        return module.resize(table, extra, (side, side), grid)

    return {"weight": Resizer(shape, 1, lambda places: _root(places - extra), resize)}


def _fixed(module: Any) -> dict[str, Resizer]:
    """A formula is computed anew: nothing of the other table is taken."""
    if not module.persistent:
        return {}
    shape = tuple(module.weight.shape)
    return {"weight": Resizer(shape, 1, lambda places: places, lambda table, places: module.table().to(table.dtype))}


def _window(module: Any) -> dict[str, Resizer]:
    from vitdsl.layers.tables import resize_grid

    window, shape = module.window, tuple(module.weight.shape)
    return {"weight": Resizer(shape, 1, _root, lambda table, side: resize_grid(table, 0, (side, side), window))}


def _on_keys(module: Any) -> dict[str, Resizer]:
    grid, shape = module.grid, tuple(module.weight.shape)
    if grid is None:
        return {}
    return {"weight": Resizer(shape, 1, _root, lambda table, side: module.resize(table, (side, side), grid))}


def _relative(module: Any) -> dict[str, Resizer]:
    window, shape = module.window, tuple(module.weight.shape)
    return {"weight": Resizer(shape, 0, _side, lambda table, side: module.resize(table, (side, side), window))}


def _offset(module: Any) -> dict[str, Resizer]:
    grid, shape = module.offset_grid, tuple(module.weight.shape)
    return {"weight": Resizer(shape, 1, _root, lambda table, side: module.resize(table, (side, side), grid))}


def _relative_2d(module: Any) -> dict[str, Resizer]:
    def along(name: str, length: int) -> Resizer:
        shape = tuple(getattr(module, name).shape)
        return Resizer(shape, 0, _half, lambda table, side: module.resize(table, side, length))

    return {"height": along("height", module.grid[0]), "width": along("width", module.grid[1])}


def _root(places: int) -> int | None:
    """The side of a square of so many places."""
    side = math.isqrt(max(places, 0))
    return side if side > 0 and side * side == places else None


def _half(offsets: int) -> int | None:
    """How many places have so many offsets between them, 2n - 1."""
    return (offsets + 1) // 2 if offsets % 2 else None


def _side(offsets: int) -> int | None:
    """The side of a square window with so many offsets, (2n - 1)²."""
    root = _root(offsets)
    return None if root is None else _half(root)
