"""A place that a recipe can name."""

from __future__ import annotations

from typing import ClassVar, Literal

from vitdsl.fields.types import Name
from vitdsl.parts.base import Part, Scope, Value


class Point(Part):
    """Does nothing; a recipe may act there (MixToken) or read what flows.

    Attributes:
        name: what recipes call it.
    """

    family: ClassVar[str] = "point"
    shorthand: ClassVar[str] = "name"
    type: Literal["point"] = "point"
    name: Name

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """The value itself, marked."""
        return scope.mark(self.name, x)
