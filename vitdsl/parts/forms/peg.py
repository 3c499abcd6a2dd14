"""Positional encoding generator."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Size
from vitdsl.parts.base import Form
from vitdsl.parts.initial import InitField
from vitdsl.syntax.expressions import parse as late


class Peg(Form):
    """A depthwise convolution, added: positions that the zero padding gives away.

    Paper: CPVT, arXiv 2102.10882. Symbols: kernel = k.
    Expands: conv, in an item that is residual and never drops.

    Attributes:
        kernel: size of the convolution.
        bias: whether the convolution has one.
        init: initial values of the convolution.
    """

    family: ClassVar[str] = "peg"
    positional: ClassVar[bool] = True
    shorthand: ClassVar[str] = "kernel"
    type: Literal["peg"] = "peg"
    kernel: Size = (3, 3)
    bias: bool = True
    init: InitField = None

    def expand(self) -> dict[str, Any]:
        """One item."""
        conv = {"kernel": self.kernel, "groups": late("$dim"), "bias": self.bias, "norm": "none", "activation": "none"}
        return {"residual": True, "pre": "none", "drop_path": "none", "conv": {**conv, "init": self.init}}
