"""What a part may ask of what surrounds it: the reader of the file, and the graph that it writes its nodes into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from vitdsl.features import Feature

if TYPE_CHECKING:
    from vitdsl.fields.record import Part
    from vitdsl.parts.base import Primitive


class Value(Protocol):
    """A value of the graph under construction: its number in the frame, and what it is."""

    @property
    def index(self) -> int:
        """Its number."""
        ...

    @property
    def feature(self) -> Feature:
        """Its width and tokens."""
        ...


class Reader(Protocol):
    """What validates the values of a file: given to the functions of fields, so that parts need not know `validate`."""

    def part(self, family: str, raw: object) -> Part | None:
        """A part of a family, or nothing."""
        ...

    def body(self, raw: object, home: str) -> Any:
        """A body, or nothing."""
        ...


class Scope(Protocol):
    """What a part writes its nodes into; `path` is relative to the item that the part stands in."""

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of the image."""
        ...

    def add(self, op: Primitive, inputs: Sequence[Any], path: str) -> Any:
        """Appends a node: checks shapes, counts the cost, and gives the node's output."""
        ...

    def emit(self, part: Part, x: Any, path: str) -> Any:
        """Binds the late values of `part` to what enters it, and lets it write its nodes."""
        ...

    def bound(self, part: Part, x: Feature) -> Any:
        """The part with its late values put in, which see the feature that enters it."""
        ...

    def emit_dropout(self, rate: float, x: Any, path: str) -> Any:
        """Dropout, where the rate is not 0."""
        ...

    def expose(self, name: str, x: Any) -> None:
        """Gives a shortcut an inner value of the mixer to start from: `value` or `query`."""
        ...

    def run(self, body: Any, x: Any, path: str) -> Any:
        """Runs a body on a value of its own and gives what comes out (an absent body gives `x`)."""
        ...

    def take(self, x: Any, part: str | int) -> Any:
        """A part of a feature: `grid`, `tokens`, a token's name, `first`, `last`, an index."""
        ...

    def put(self, x: Any, part: str | int, y: Any) -> Any:
        """The feature `x` with `y` in the place of its part."""
        ...

    def join(self, values: Sequence[Any]) -> Any:
        """All tokens of several features of one width, in order."""
        ...

    def sections(self, x: Any, dims: Sequence[int]) -> list[Any]:
        """The channels of a feature, cut into sections of these widths."""
        ...

    def stream(self, name: str) -> Any:
        """What a stream holds."""
        ...

    def mark(self, name: str, x: Any) -> Any:
        """Gives a value a name that recipes know."""
        ...

    def window_mask(self) -> Any | None:
        """The mask of the window that encloses what is written now, or nothing where all of it may be seen."""
        ...

    @property
    def classes(self) -> int:
        """Number of classes of the spec."""
        ...
