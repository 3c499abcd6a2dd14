"""The locally enhanced feed-forward."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Size
from vitdsl.parts.base import Form, Part
from vitdsl.parts.forms.mlp import MlpFields, Norms
from vitdsl.syntax.expressions import parse as late


class Leff(MlpFields, Form):
    """An mlp with a depthwise convolution between its linear maps.

    Paper: CeiT, arXiv 2103.11816. Symbols: kernel = k.
    Expands: mlp, conv.

    Attributes:
        kernel: size of the depthwise convolution.
    """

    type: Literal["leff"] = "leff"
    own: ClassVar[frozenset[str]] = frozenset({"kernel"})
    kernel: Size = (3, 3)

    def expand(self) -> dict[str, Any]:
        """An mlp."""
        norm = self.norm.hidden if isinstance(self.norm, Norms) else self.norm
        conv = {
            "kernel": self.kernel, "groups": late("$dim"),
            "norm": norm or "none", "activation": self.activation if isinstance(self.activation, Part) else "none",
        }  # fmt: skip
        return {"mlp": {**self.for_expansion, "type": "mlp", "between": [{"conv": conv}]}}
