"""Patch merging."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.errors import ExpressionError
from vitdsl.fields.types import Positive, Size
from vitdsl.parts.base import Form, Norm
from vitdsl.syntax.expressions import Late, term
from vitdsl.syntax.expressions import parse as late


class Merge(Form):
    """Neighbours become channels, are normed, and mapped to `dim` (default: twice the width that entered).

    Paper: Swin, arXiv 2103.14030. Symbols: kernel = 2.
    Expands: unfold, norm, linear.

    Attributes:
        dim: width that comes out, in channels; by default twice that which enters.
        kernel: rows and columns that become one.
        norm: of the neighbours, before the linear map; by default a layer norm.
        bias: whether the linear map has one.
        fit: whether the windows must tile the grid, or zeros fill it up.
    """

    family: ClassVar[str] = "tokenizer"
    type: Literal["merge"] = "merge"
    dim: Positive | None = None
    kernel: Size = (2, 2)
    norm: Norm = None
    bias: bool = False
    fit: Literal["exact", "pad"] = "exact"

    def expand(self) -> dict[str, Any]:
        """Three items."""
        if isinstance(self.kernel, Late) and not self.dim:
            message = "`kernel` of `merge` is late, and its sides are not known"
            raise ExpressionError(message, "write [height, width]", "E211")
        dim = self.dim or late(f"$(2 * dim // ({' * '.join(map(term, self.kernel))}))")
        norm = {"norm": self.norm or {}}
        unfold = {"kernel": self.kernel, "fit": self.fit}
        return {"body": [{"unfold": unfold}, norm, {"linear": {"dim": dim, "bias": self.bias}}]}
