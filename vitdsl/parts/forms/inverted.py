"""The inverted bottleneck."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Size
from vitdsl.parts.base import Form, Part
from vitdsl.parts.forms.mlp import MlpFields, Norms
from vitdsl.syntax.expressions import parse as late


class Inverted(MlpFields, Form):
    """An mlp without biases around a depthwise, perhaps strided convolution.

    Paper: MobileNetV2, arXiv 1801.04381. Symbols: ratio = t, stride = s.
    Expands: mlp, conv.

    Attributes:
        kernel: size of the depthwise convolution.
        stride: of the depthwise convolution.
    """

    type: Literal["inverted"] = "inverted"
    own: ClassVar[frozenset[str]] = frozenset({"kernel", "stride"})
    kernel: Size = (3, 3)
    stride: Size = (1, 1)

    def expand(self) -> dict[str, Any]:
        """An mlp."""
        norm = self.norm.hidden if isinstance(self.norm, Norms) else self.norm
        conv = {
            "kernel": self.kernel, "stride": self.stride, "groups": late("$dim"), "bias": False,
            "norm": norm or "none", "activation": self.activation if isinstance(self.activation, Part) else "none",
        }  # fmt: skip
        return {"mlp": {"bias": False, **self.for_expansion, "type": "mlp", "between": [{"conv": conv}]}}
