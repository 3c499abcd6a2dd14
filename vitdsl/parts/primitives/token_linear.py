"""Affine map of the tokens."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Cost, Feature, weights
from vitdsl.fields.types import Positive
from vitdsl.parts.base import Module, Primitive
from vitdsl.parts.initial import InitField


class TokenLinear(Primitive):
    """Affine map of the tokens: what `linear` with `over: tokens` becomes.

    Paper: Linformer, arXiv 2006.04768 (E and F). Symbols: dim = k, the tokens that come out.
    Shape: (B, N, C) -> (B, dim, C).
    Cost: N·dim·C multiply-adds; N·dim + dim parameters (without bias, N·dim).
    """

    family: ClassVar[str] = "internal"
    of_part: ClassVar[str] = "linear"
    mixes: ClassVar[bool] = True
    layout: ClassVar[Literal["any", "tokens", "map"]] = "tokens"
    type: Literal["token_linear"] = "token_linear"
    dim: Positive
    bias: bool = True
    init: InitField = None
    again: Feature | None = None
    """The feature whose tokens these are again: what went into an mlp over tokens."""

    def infer(self, *inputs: Feature) -> Feature:
        """A list of `dim` tokens; the grid is kept where as many tokens come out as went in."""
        (x,) = inputs
        if self.again is not None and self.again.num_tokens == self.dim:
            return self.again.with_dim(x.dim)
        return x if x.num_tokens == self.dim else Feature(x.dim, count=self.dim)

    def cost(self, *inputs: Feature) -> Cost:
        (x,) = inputs
        return weights(x.num_tokens * self.dim + self.bias * self.dim, x.num_tokens * self.dim * x.dim)

    def mixes_channels(self, *inputs: Feature) -> bool:
        """Each channel alone."""
        return False

    def layer(self, *inputs: Feature) -> partial[Module]:
        """A linear map of the transposed tokens."""
        from vitdsl.layers.linear import TokenLinear as Layer

        return partial(Layer, inputs[0].num_tokens, self.dim, self.bias)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Fewer tokens out of an odd grid."""
        return [({"dim": 4}, (Feature(6, (3, 5), ("cls",)),)), ({"dim": 9, "bias": False}, (Feature(7, (3, 3)),))]
