"""Squeeze and excitation."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Positive
from vitdsl.parts.base import Activation, Form
from vitdsl.syntax.expressions import parse as late


class Squeeze(Form):
    """Channels scaled by a gate that the mean of all tokens opens.

    Paper: Squeeze-and-Excitation, arXiv 1709.01507. Symbols: reduction = r.
    Expands: parallel, pool, mlp.

    Attributes:
        reduction: width that enters / hidden width of the gate.
        bias: whether the linear maps of the gate have biases.
        activation: between the linear maps; by default `relu`.
        gate: after them; by default `sigmoid`.
    """

    family: ClassVar[str] = "squeeze"
    shorthand: ClassVar[str] = "reduction"
    type: Literal["squeeze"] = "squeeze"
    reduction: Positive = 16
    bias: bool = False
    activation: Activation = None
    gate: Activation = None

    def expand(self) -> dict[str, Any]:
        """The identity times the gate."""
        hidden = late(f"$(max(1, dim // {self.reduction}))")
        mlp = {
            "type": "mlp",
            "hidden": hidden,
            "bias": self.bias,
            "activation": self.activation or "relu",
            "norm": "none",
        }
        gate = [
            {"pool": {"type": "mean", "over": "all"}},
            {"mlp": mlp, "residual": False},
            {"activation": self.gate or "sigmoid"},
        ]
        return {"parallel": [[], gate], "merge": "multiply"}
