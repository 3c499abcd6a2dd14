"""Overlapping patches."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Margin, Positive, Size
from vitdsl.parts.base import Form


class SoftSplit(Form):
    """Overlapping neighbourhoods as channels, and a linear map where `dim` is given.

    Paper: T2T-ViT, arXiv 2101.11986. Symbols: kernel = k, stride = k - s, padding = p.
    Expands: unfold, linear.

    Attributes:
        kernel: size of a neighbourhood.
        stride: rows and columns from one neighbourhood to the next.
        padding: rows and columns of zeros around the grid; by default (kernel - 1) / 2.
        dim: width of a linear map behind, in channels; by default there is none.
        bias: whether the linear map has one.
        fit: whether the windows must tile the grid, or zeros fill it up.
    """

    family: ClassVar[str] = "tokenizer"
    type: Literal["soft_split"] = "soft_split"
    kernel: Size
    stride: Size
    padding: Margin = None
    dim: Positive | None = None
    bias: bool = True
    fit: Literal["exact", "pad"] = "exact"

    def expand(self) -> dict[str, Any]:
        """One or two items."""
        sliding = {"kernel": self.kernel, "stride": self.stride, "padding": self.padding, "fit": self.fit}
        unfold = {"unfold": sliding}
        return {"body": [unfold, {"linear": {"dim": self.dim, "bias": self.bias}}]} if self.dim else unfold
