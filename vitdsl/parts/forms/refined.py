"""Refined attention maps."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from vitdsl.fields.types import Positive, Real, Size
from vitdsl.parts.base import Norm
from vitdsl.parts.forms.mixer import MixerForm
from vitdsl.syntax.expressions import parse as late


class Refined(MixerForm):
    """A mixer whose maps are expanded over the heads, conv_feature, reduced and added, then normed and scaled.

    Paper: Refiner, arXiv 2106.03714. Symbols: expand = the head expansion, factor = the scale at the end.
    Expands: global with `maps.after`; a `maps.after` of its own follows behind.

    Attributes:
        expand: times as many heads while they are convolved.
        window: size of the convolution.
        factor: by which the maps are multiplied at the end.
        norm: of the maps, over the heads; by default a batch norm.
    """

    type: Literal["refined"] = "refined"
    own: ClassVar[frozenset[str]] = frozenset({"expand", "window", "factor", "norm"})
    expand_heads: Positive = Field(3, alias="expand")
    window: Size = (3, 3)
    factor: Real | None = None
    norm: Norm = None

    def expand(self) -> dict[str, Any]:
        """One item."""
        norm = self.norm or "batch"
        wide = {"dim": late(f"$({self.expand_heads} * dim)"), "bias": False, "norm": norm, "activation": "relu6"}
        conv = {"kernel": self.window, "groups": late("$dim"), "bias": False, "norm": norm, "activation": "relu6"}
        narrow = {"dim": late(f"$(dim // {self.expand_heads})"), "bias": False, "norm": norm, "activation": "none"}
        local = [{"linear": wide}, {"conv": conv}, {"linear": narrow}]
        after: list[dict[str, Any]] = [{"residual": True, "pre": "none", "body": local}, {"norm": norm}]
        if self.factor is not None:
            after.append({"scale": self.factor})
        return {"mixer": self.mixer_after(after)}
