"""Re-attention."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Real
from vitdsl.parts.base import Norm
from vitdsl.parts.forms.mixer import MixerForm


class Reattention(MixerForm):
    """A mixer whose maps are mixed over the heads after softmax, normed, and perhaps scaled.

    Paper: DeepViT, arXiv 2103.11886. Symbols: Θ = the linear map.
    Expands: global with `maps.after`; a `maps.after` of its own follows behind.

    Attributes:
        norm: of the maps, over the heads; by default a batch norm.
        mix_bias: whether the linear map over the heads has a bias.
        factor: by which the maps are multiplied at the end.
    """

    type: Literal["reattention"] = "reattention"
    own: ClassVar[frozenset[str]] = frozenset({"norm", "mix_bias", "factor"})
    norm: Norm = None
    mix_bias: bool = True
    factor: Real | None = None

    def expand(self) -> dict[str, Any]:
        """One item."""
        after: list[dict[str, Any]] = [{"linear": plain_linear(self.mix_bias)}, {"norm": self.norm or "batch"}]
        if self.factor is not None:
            after.append({"scale": self.factor})
        return {"mixer": self.mixer_after(after)}


def plain_linear(bias: bool) -> dict[str, Any]:
    """A linear map over the heads that no default touches."""
    return {"bias": bias, "norm": "none", "activation": "none"}
