"""Affine map of channels or tokens."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Positive
from vitdsl.parts.base import Activation, Module, Norm, Primitive, Scope, Value
from vitdsl.parts.initial import InitField


class Linear(Primitive):
    """Affine map of the channels, or of the tokens; then its norm, then its activation.

    Paper: -. Symbols: dim = C_out.
    Shape: (B, N, C) -> (B, N, dim); over tokens, (B, dim, C), a list of tokens.
    Cost: N·C·dim multiply-adds; C·dim + dim parameters (over tokens N·dim + dim; without bias, no + dim).

    Attributes:
        dim: width that comes out, in channels; by default that which enters.
        bias: whether there is one.
        over: whether channels are mixed, or tokens.
        norm: after it.
        activation: after the norm.
        init: initial values of the weight.
    """

    family: ClassVar[str] = "linear"
    shorthand: ClassVar[str] = "dim"
    type: Literal["linear"] = "linear"
    dim: Positive | None = None
    bias: bool = True
    over: Literal["channels", "tokens"] = "channels"
    norm: Norm = None
    activation: Activation = None
    init: InitField = None

    def infer(self, *inputs: Feature) -> Feature:
        """The same tokens at the new width."""
        return inputs[0].with_dim(self.dim or inputs[0].dim)

    def cost(self, *inputs: Feature) -> Cost:
        (x,) = inputs
        dim = self.dim or x.dim
        return weights(x.dim * dim + self.bias * dim, x.num_tokens * x.dim * dim)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """A linear map that takes tokens and maps."""
        from vitdsl.layers.linear import Linear as Layer

        return partial(Layer, inputs[0].dim, self.dim or inputs[0].dim, self.bias)

    def emit(self, scope: Scope, x: Value, path: str, again: Feature | None = None) -> Value:
        """Over tokens it is another primitive; where as many come out as `again` has, they are its tokens and grid."""
        if self.over == "channels":
            return super().emit(scope, x, path)
        from vitdsl.parts.primitives.token_linear import TokenLinear

        if self.dim is None:
            raise ShapeError("`linear` over tokens needs `dim`, the number of tokens that come out", code="E202")
        op = TokenLinear.trusted(dim=self.dim, bias=self.bias, init=self.init, again=again)
        return self.follow(scope, scope.add(op, (x,), path), path)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Tokens and a map with an odd grid."""
        return [({"dim": 8}, (Feature(6, (3, 5), ("cls",)),)), ({"dim": 5, "bias": False}, (Feature(7, (3, 3)),))]
