"""Attention over a smaller bank."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Size
from vitdsl.parts.base import Norm
from vitdsl.parts.forms.mixer import MixerForm


class Subsampled(MixerForm):
    """A mixer whose bank is a strided convolution of the grid, and its norm; with stride 1 neither.

    Paper: PVT, arXiv 2102.12122. Symbols: stride = R.
    Expands: global with a `bank`.

    Attributes:
        stride: rows and columns that become one key.
        norm: after the convolution.
    """

    type: Literal["subsampled"] = "subsampled"
    own: ClassVar[frozenset[str]] = frozenset({"stride", "norm"})
    stride: Size
    norm: Norm = None

    def expand(self) -> dict[str, Any]:
        """One item; queries and keys stay apart also where nothing is subsampled."""
        if self.stride == (1, 1):
            return {"mixer": self.mixer()}
        conv = {"kernel": self.stride, "stride": self.stride, "norm": self.norm or "none", "activation": "none"}
        return {"mixer": self.mixer(bank=[{"conv": conv}])}
