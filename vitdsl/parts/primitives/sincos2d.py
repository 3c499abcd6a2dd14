"""Fixed positions."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.fields.types import PositiveReal
from vitdsl.parts.base import Module, Primitive


class Sincos2d(Primitive):
    """Sines and cosines of the column and of the row, added to the tokens; a fixed table.

    Paper: SimpleViT, arXiv 2205.01580. Symbols: -.
    Shape: (B, N, C) -> the same.
    Cost: nothing: the table is made anew, no checkpoint holds it.

    Attributes:
        over: whether `all` tokens get one, or those of the `grid` alone.
        temperature: the longest wavelength / 2π, in positions.
    """

    family: ClassVar[str] = "position"
    by_place: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    type: Literal["sincos2d"] = "sincos2d"
    over: Literal["all", "grid"] = "grid"
    temperature: PositiveReal = 10000.0

    def infer(self, *inputs: Feature) -> Feature:
        """Unchanged; 4 must divide the width."""
        (x,) = inputs
        if x.dim % 4:
            hint = f"{x.dim // 4 * 4 or 4} would do"
            raise ShapeError(f"sincos2d needs a width that 4 divides, but it is {x.dim}", hint, code="E402")
        return x.grid_only if not x.tokens else _refused(x)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """The table as a buffer."""
        from vitdsl.layers.positions import FixedPosition
        from vitdsl.layers.tables import sincos2d_table

        (x,) = inputs
        assert x.grid is not None
        return partial(
            FixedPosition, partial(sincos2d_table, dim=x.dim, temperature=self.temperature), x.grid, persistent=False
        )

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """An odd grid, and one token."""
        return [({}, (Feature(8, (3, 5)),)), ({}, (Feature(4, (1, 2)),))]


def _refused(x: Feature) -> Feature:
    hint = "`over: grid` leaves the extra tokens out"
    raise ShapeError(f"sincos2d is made for a grid, but the feature is {x}", hint, code="E408")
