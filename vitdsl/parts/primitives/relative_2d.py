"""Relative positions in two directions."""

from __future__ import annotations

from typing import ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.parts.base import Part
from vitdsl.parts.initial import InitField
from vitdsl.parts.primitives.relative_logits import RelativeLogits


class Relative2d(Part):
    """Logits of a query and learned vectors of the row and of the column by which a key lies away from it.

    Paper: BoTNet, arXiv 2101.11605.

    Attributes:
        init: initial values of the vectors.
    """

    family: ClassVar[str] = "bias"
    reads: ClassVar[str] = "q"
    type: Literal["relative_2d"] = "relative_2d"
    init: InitField = None

    def fit(self, heads: int, head_dim: int, scale: float, q: Feature, k: Feature) -> RelativeLogits:
        """The operator for these queries and keys."""
        if q.grid is None or q.grid != k.grid or q.tokens or k.tokens:
            raise ShapeError(
                f"relative_2d needs queries and keys on one grid, but they are {q} and {k}",
                "leave extra tokens out with `at: grid`",
                code="E408",
            )
        return RelativeLogits.trusted(heads=heads, scale=scale, init=self.init)
