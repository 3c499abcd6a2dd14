"""A stem of convolutions."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.errors import refuse
from vitdsl.fields.types import Positive
from vitdsl.parts.base import Activation, Form, Norm


class ConvStem(Form):
    """Convolutions, each with norm and activation; the last may be plain (with bias), or have its norm alone.

    Paper: Early Convolutions Help Transformers See Better, arXiv 2106.14881. Symbols: channels = widths.
    Expands: conv.

    Attributes:
        channels: width of each convolution, in channels.
        kernel: size of all convolutions, or of each.
        stride: of all convolutions, or of each.
        padding: rows and columns of zeros of each convolution; by default (kernel - 1) / 2.
        bias: whether the convolutions have biases; by default where they have no norm.
        norm: after each convolution.
        activation: after each norm.
        last: whether the last convolution is as the others, has its `norm` alone, or neither norm nor activation
            (`plain`).
        pool: fields of a pool after each convolution.
    """

    family: ClassVar[str] = "tokenizer"
    type: Literal["conv_stem"] = "conv_stem"
    channels: list[Positive]
    kernel: Positive | list[Positive] = 3
    stride: Positive | list[Positive] = 2
    padding: list[int] | None = None
    bias: bool | None = None
    norm: Norm = None
    activation: Activation = None
    last: Literal["full", "norm", "plain"] = "full"
    pool: dict[str, Any] | None = None

    def expand(self) -> dict[str, Any]:
        """A body of convolutions."""
        bias = self.norm is None if self.bias is None else self.bias
        items: list[dict[str, Any]] = []
        for index, dim in enumerate(self.channels):
            last = index == len(self.channels) - 1
            plain, bare = last and self.last == "plain", last and self.last != "full"
            conv: dict[str, Any] = {
                "dim": dim,
                "kernel": self._at(self.kernel, index, "kernel"),
                "stride": self._at(self.stride, index, "stride"),
                "bias": True if plain else bias,
                "norm": "none" if plain else self.norm or "none",
                "activation": "none" if bare else self.activation or "none",
            }
            if self.padding is not None:
                conv["padding"] = self._at(self.padding, index, "padding")
            items.append({"conv": conv})
            if self.pool is not None:
                items.append({"pool": self.pool})
        return {"body": items}

    def _at(self, value: int | list[int], index: int, name: str) -> int:
        if not isinstance(value, list):
            return value  # one for all; a late value too
        if len(value) != len(self.channels):
            message = f"`{name}` has {len(value)} entries, but `channels` has {len(self.channels)}"
            refuse(message, at=(name,), code="E217")
        return value[index]
