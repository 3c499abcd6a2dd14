"""Depth-wise self-attention."""

from __future__ import annotations

from typing import Any, Literal

from vitdsl.parts.forms.mixer import MixerForm


class Depthwise(MixerForm):
    """A mixer whose dynamic kernel is depth-wise: the query times the mean of the selected keys, without values.

    Paper: Interpret Vision Transformers as ConvNets with Dynamic Convolutions, arXiv 2309.10713. Symbols: -.
    Expands: global with `kernel: depthwise`.
    """

    type: Literal["depthwise"] = "depthwise"

    def expand(self) -> dict[str, Any]:
        """One item."""
        return {"mixer": self.mixer(kernel="depthwise")}
