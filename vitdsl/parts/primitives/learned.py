"""Learned positions."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Size
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class Learned(Primitive):
    """A learned table, added to the tokens; with `windows: k`, one k×k table added in every window.

    Paper: ViT, arXiv 2010.11929. Symbols: weight = E_pos.
    Shape: (B, N, C) -> the same.
    Cost: N·C parameters (k²·C with windows).

    Attributes:
        over: whether `all` tokens get one, or those of the `grid` alone.
        windows: size of a window, in each of which one table is added.
        init: initial values of the table.
    """

    family: ClassVar[str] = "position"
    by_place: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    type: Literal["learned"] = "learned"
    over: Literal["all", "grid"] = "all"
    windows: Size | None = None
    init: InitField = None

    def infer(self, *inputs: Feature) -> Feature:
        """Unchanged; windows must tile the grid."""
        (x,) = inputs
        if self.windows is not None:
            grid = x.grid_only.grid
            assert grid is not None
            if x.tokens:
                message = f"a table in windows needs a grid alone, but the feature is {x}"
                raise ShapeError(message, "`over: grid` leaves the extra tokens out", ("windows",), "E408")
            if grid[0] % self.windows[0] or grid[1] % self.windows[1]:
                raise ShapeError(
                    f"`windows` ({self.windows[0]}x{self.windows[1]}) must tile the grid ({grid[0]}x{grid[1]})",
                    "",
                    ("windows",),
                    "E403",
                )
        return x

    def cost(self, *inputs: Feature) -> Cost:
        (x,) = inputs
        return weights(x.dim * self.windows[0] * self.windows[1] if self.windows else x.size)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """The table, with the size that it was made for."""
        from vitdsl.layers.positions import LearnedPosition, WindowPosition

        (x,) = inputs
        if self.windows:
            return partial(WindowPosition, self.windows, x.dim)
        return partial(LearnedPosition, x.num_tokens, x.dim, x.grid)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """With a token, on an odd grid, and by windows."""
        return [
            ({}, (Feature(5, (3, 1), ("cls",)),)),
            ({"over": "grid"}, (Feature(4, (2, 5)),)),
            ({"init": "zeros"}, (Feature(4, count=3),)),
            ({"windows": 2}, (Feature(4, (2, 2)),)),
        ]
