"""The classifier."""

from __future__ import annotations

from typing import ClassVar, Literal

from vitdsl.parts.base import Part, Scope, Value
from vitdsl.parts.initial import InitField
from vitdsl.parts.primitives.linear import Linear


class Classifier(Part):
    """A linear map to the spec's `classes`; with `classes: 0` nothing.

    Attributes:
        bias: whether the linear map has one.
        init: initial values of the linear map.
    """

    family: ClassVar[str] = "classifier"
    type: Literal["classifier"] = "classifier"
    bias: bool = True
    init: InitField = None

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """A `linear`."""
        if scope.classes == 0:
            return x
        return scope.add(Linear.trusted(dim=scope.classes, bias=self.bias, init=self.init), (x,), path)
