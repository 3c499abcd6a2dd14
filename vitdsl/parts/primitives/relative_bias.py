"""Relative position bias."""

from __future__ import annotations

from typing import ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.parts.base import Part
from vitdsl.parts.initial import InitField
from vitdsl.parts.primitives.relative_table import RelativeTable


class RelativeBias(Part):
    """A learned number for each head and each difference of two positions of one grid, added to the logits.

    Paper: Swin, arXiv 2103.14030.

    Attributes:
        init: initial values of the table.
    """

    family: ClassVar[str] = "bias"
    reads: ClassVar[str] = ""
    type: Literal["relative_bias"] = "relative_bias"
    init: InitField = None

    def fit(self, heads: int, head_dim: int, scale: float, q: Feature, k: Feature) -> RelativeTable:
        """The table for these queries and keys."""
        if q.grid is None or q.grid != k.grid or q.tokens or k.tokens:
            raise ShapeError(
                f"relative_bias needs queries and keys on one grid, but they are {q} and {k}",
                "leave extra tokens out with `at: grid`",
                code="E408",
            )
        return RelativeTable.trusted(heads=heads, grid=q.grid, init=self.init)
