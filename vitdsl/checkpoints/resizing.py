"""Tables of positions whose grid differs from the model's, each resized by its own layer's rule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vitdsl.layers.tables import Grid, Table


@dataclass(frozen=True)
class Resizer:
    """How one table of a model takes a table of another grid.

    Where nothing says what grid a table is for, it is taken to be square, as those of published weights are, or to have
    the aspect of the model's.

    Attributes:
        shape: of the model's table.
        table: how it belongs to the model's grid.
    """

    shape: tuple[int, ...]
    table: Table

    def fits(self, tensor: Tensor, grid: Grid | None = None) -> bool:
        """Whether nothing but the grid differs, which may be known."""
        shape = list(tensor.shape)
        if len(shape) != len(self.shape):
            return False
        places = shape[self.table.axis]
        shape[self.table.axis] = self.shape[self.table.axis]
        return tuple(shape) == self.shape and self._grid(places, grid) is not None

    def __call__(self, tensor: Tensor, grid: Grid | None = None) -> Tensor:
        """The table for the model's grid."""
        found = self._grid(tensor.shape[self.table.axis], grid)
        assert found is not None
        return self.table.resize(tensor, found, self.table.grid)

    def _grid(self, places: int, known: Grid | None) -> Grid | None:
        """The grid of a table with so many entries; None where that cannot be said."""
        if known is not None:
            return known if self.table.entries(known) == places else None
        found = {grid for shape in self._shapes() if (grid := self._scaled(shape, places)) is not None}
        return found.pop() if len(found) == 1 else None

    def _shapes(self) -> set[Grid]:
        """The smallest grid of each aspect that a table may have."""
        own = self.table.grid
        most = math.gcd(*own)
        return {(1,) * len(own), tuple(length // most for length in own)}

    def _scaled(self, shape: Grid, places: int) -> Grid | None:
        """The grid of an aspect that has so many entries, which grow with it."""
        low, high = 1, places + 1
        while low < high:
            middle = (low + high) // 2
            if self.table.entries(tuple(middle * length for length in shape)) < places:
                low = middle + 1
            else:
                high = middle
        grid = tuple(low * length for length in shape)
        return grid if self.table.entries(grid) == places else None


def resizers(model: nn.Module) -> dict[str, Resizer]:
    """The tables of a model that can be resized, by key."""
    from vitdsl.layers.tables import GridLayer

    return {
        f"{path}.{name}": Resizer(tuple(getattr(module, name).shape), table)
        for path, module in model.named_modules()
        if isinstance(module, GridLayer)
        for name, table in module.tables().items()
    }


def grids_of(state: Any) -> dict[str, Grid]:
    """The grids that the tables of a state dict are for, by key, where its metadata says so; none of a file."""
    from vitdsl.layers.tables import GRIDS

    metadata = getattr(state, "_metadata", None) or {}
    return {
        f"{path}.{name}": tuple(grid) for path, entry in metadata.items() for name, grid in entry.get(GRIDS, {}).items()
    }
