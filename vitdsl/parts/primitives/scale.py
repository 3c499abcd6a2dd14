"""Multiplication by a number."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.features import Feature
from vitdsl.fields.types import Real
from vitdsl.parts.base import Module, Primitive


class Scale(Primitive):
    """Multiplies by a number.

    Paper: -. Symbols: -.
    Shape: any -> the same.
    Cost: nothing.

    Attributes:
        value: the number.
    """

    family: ClassVar[str] = "scale"
    shorthand: ClassVar[str] = "value"
    type: Literal["scale"] = "scale"
    value: Real

    def layer(self, *inputs: Feature) -> partial[Module]:
        from vitdsl.layers.activations import Scale as Layer

        return partial(Layer, self.value)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """At an odd size."""
        return [({"value": 0.5}, (Feature(5, (3, 1), ("cls",)),)), ({"value": 2.0}, (Feature(4, count=2),))]
