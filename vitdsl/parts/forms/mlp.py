"""The two-layer perceptron that mixes channels."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vitdsl.errors import ShapeError, refuse
from vitdsl.fields.messages import describe
from vitdsl.fields.types import LARGEST, Positive, Rate
from vitdsl.parts.base import Activation, Fields, FieldsOr, Items, Norm, Part, Reads, Scope, Value
from vitdsl.parts.initial import InitField
from vitdsl.parts.primitives.activation import Activation as ActivationPart
from vitdsl.parts.primitives.linear import Linear

Ratio = Annotated[float, Field(gt=0, le=LARGEST, description="hidden width / width")]


class Norms(Fields):
    """Norms after the first and the second linear map, where they differ.

    Attributes:
        hidden: after the first linear map.
        out: after the second linear map.
    """

    hidden: Norm = None
    out: Norm = None


class Dropouts(Fields):
    """Dropout after the activation and at the end, where they differ.

    Attributes:
        hidden: probability of a zero after the activation, while training.
        out: probability of a zero at the end, while training.
    """

    hidden: Rate = 0.0
    out: Rate = 0.0


def _dropouts(value: Any, reader: Any) -> Any:
    """One rate for both places, or a mapping."""
    if value is None or isinstance(value, Dropouts):
        return value
    if isinstance(value, dict):
        return Dropouts.read(value, reader)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        message = f"`dropout` must be a rate from 0 to 1, or {{hidden, out}}, but is {describe(value)}"
        refuse(message, code="E203")
    return float(value)


class MlpFields(Part):
    """The fields of every two-layer perceptron.

    Attributes:
        ratio: hidden width / width that enters.
        hidden: hidden width, in channels; in place of `ratio`.
        dim: width that comes out, in channels; by default that which enters.
        bias: whether the linear maps have biases.
        norm: after both linear maps, or `{hidden, out}`.
        activation: after the first linear map.
        between: a body between the two linear maps.
        dropout: probability of a zero after the activation and at the end, or `{hidden, out}`.
        over: whether channels are mixed, or tokens.
        init: initial values of the linear maps.
    """

    family: ClassVar[str] = "mlp"
    residual: ClassVar[bool] = True
    own: ClassVar[frozenset[str]] = frozenset()
    """Fields of the form itself, which its expansion does not pass on."""
    ratio: Ratio = 4.0
    hidden: Positive | None = None
    dim: Positive | None = None
    bias: bool = True
    norm: Annotated[Any, FieldsOr(Norms, family="norm")] = None
    activation: Activation = ActivationPart(type="gelu")
    between: Items = None
    dropout: Annotated[Any, Reads(_dropouts, {"anyOf": [{"type": "number"}, {"type": "object"}]}, model=Dropouts)] = 0.0
    over: Literal["channels", "tokens"] = "channels"
    init: InitField = None

    @property
    def for_expansion(self) -> dict[str, Any]:
        """The fields that were given, but for those of the form itself: what its expansion has too."""
        return {name: value for name, value in self.written.items() if name not in self.own and name != "type"}


class Mlp(MlpFields):
    """Linear to the hidden width, norm, activation, a body between, linear to the width that comes out, norm.

    Paper: ViT, arXiv 2010.11929. Symbols: ratio = hidden width / width.
    Shape: (B, N, C) -> (B, N, dim); over tokens, the same with the tokens in the channels' place.
    Cost: N·(C·hidden + hidden·dim) multiply-adds, and the body's.
    """

    type: Literal["mlp"] = "mlp"

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """The two linear maps and what stands around them."""
        entering = x.feature.dim if self.over == "channels" else x.feature.num_tokens
        hidden = self.hidden or max(1, int(entering * self.ratio))
        if hidden > LARGEST:
            message = f"the hidden width must be at most {LARGEST:,}, but {self.ratio:g} times {entering} is more"
            raise ShapeError(message, "", ("ratio",), "E204")
        norm, dropout = self.norm, self.dropout
        norms = (norm.hidden, norm.out) if isinstance(norm, Norms) else (norm, norm)
        rates = (dropout.hidden, dropout.out) if isinstance(dropout, Dropouts) else (dropout, dropout)
        linear = {"bias": self.bias, "over": self.over, "init": self.init}
        first = Linear.trusted(dim=hidden, norm=norms[0], **linear)
        y = scope.emit(first, x, f"{path}.fc1")
        if self.activation is not None:
            y = scope.emit(self.activation, y, f"{path}.activation")
        y = scope.emit_dropout(rates[0], y, f"{path}.dropout1")
        y = scope.run(self.between, y, f"{path}.between")
        second = Linear.trusted(dim=self.dim or entering, norm=norms[1], **linear)
        y = second.emit(scope, y, f"{path}.fc2", x.feature)
        return scope.emit_dropout(rates[1], y, f"{path}.dropout2")
