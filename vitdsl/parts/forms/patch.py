"""Patches."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Positive, Size
from vitdsl.parts.base import Form, Norm
from vitdsl.parts.initial import InitField


class Patch(Form):
    """Non-overlapping patches, each a token: a convolution whose stride is its kernel.

    Paper: ViT, arXiv 2010.11929. Symbols: size = P, dim = D.
    Expands: conv.

    Attributes:
        size: of a patch, in pixels: of both sides, or `[height, width]`.
        dim: width that comes out, in channels.
        bias: whether the convolution has one.
        fit: whether the windows must tile the grid, or zeros fill it up.
        norm: after the convolution.
        init: initial values of the convolution.
    """

    family: ClassVar[str] = "tokenizer"
    type: Literal["patch"] = "patch"
    size: Size
    dim: Positive
    bias: bool = True
    fit: Literal["exact", "pad"] = "exact"
    norm: Norm = None
    init: InitField = None

    def expand(self) -> dict[str, Any]:
        """A convolution."""
        conv = {"dim": self.dim, "kernel": self.size, "stride": self.size, "bias": self.bias, "fit": self.fit}
        return {"conv": {**conv, "norm": self.norm or "none", "activation": "none", "init": self.init}}
