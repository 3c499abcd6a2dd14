"""Bias by absolute offset."""

from __future__ import annotations

from typing import ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.parts.base import Part
from vitdsl.parts.initial import InitField
from vitdsl.parts.primitives.offset_table import OffsetTable


class OffsetBias(Part):
    """A learned number for each head and each absolute offset of a query and a key, added to the logits.

    Paper: LeViT, arXiv 2104.01136.

    Attributes:
        init: initial values of the table.
    """

    family: ClassVar[str] = "bias"
    reads: ClassVar[str] = ""
    type: Literal["offset_bias"] = "offset_bias"
    init: InitField = None

    def fit(self, heads: int, head_dim: int, scale: float, q: Feature, k: Feature) -> OffsetTable:
        """The table for these queries and keys; its stride is what lies between two queries."""
        if q.grid is None or k.grid is None or q.tokens or k.tokens:
            raise ShapeError(
                f"offset_bias needs queries and keys on a grid, but they are {q} and {k}",
                "leave extra tokens out with `at: grid`",
                code="E408",
            )
        stride = max(1, round(k.grid[0] / q.grid[0]))
        if (-(-k.grid[0] // stride), -(-k.grid[1] // stride)) != q.grid:
            message = f"offset_bias needs queries at every s-th position of the keys' grid, but they are {q} and {k}"
            raise ShapeError(message, code="E408")
        return OffsetTable.trusted(heads=heads, grid=k.grid, queries=q.grid, stride=stride, init=self.init)
