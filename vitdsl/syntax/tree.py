"""Values that know where they stand."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, cast

from vitdsl.errors import Mark


class Map(dict[str, Any]):
    """A mapping with positions: `pos` of its beginning, and by key the `marks` of key and value. Never change one.

    A whole file that was merged knows in `names` what it and the files that it extends are called, nearest first. Who
    makes one gives it `pos` and `marks` of its own, or leaves it without positions.
    """

    variables: tuple[str, ...] = ()
    """Of a whole file: the names of its variables, also of those that were put in."""

    names: tuple[str, ...] = ()
    pos: Mark | None = None
    marks: dict[str, tuple[Mark, Mark]] = cast(Any, MappingProxyType({}))

    def copy(self) -> Map:
        """Another one with the same entries and positions, which may be changed while it is made."""
        made = Map(self)
        made.pos, made.marks = self.pos, dict(self.marks)
        return made

    def placed(self, node: Map) -> Map:
        """Itself, with the positions of another mapping."""
        self.pos, self.marks = node.pos, node.marks
        return self


class Seq(list[Any]):
    """A list with positions: `pos` of its beginning, `marks` of its elements. Never change one."""

    pos: Mark | None = None
    marks: list[Mark] = cast(Any, ())

    def copy(self) -> Seq:
        """Another one with the same elements and positions, which may be changed while it is made."""
        made = Seq(self)
        made.pos, made.marks = self.pos, list(self.marks)
        return made

    def placed(self, node: Seq) -> Seq:
        """Itself, with the positions of another list."""
        self.pos, self.marks = node.pos, node.marks
        return self


def kept(node: Any) -> Any:
    """Plain mappings and lists as those of a file, without positions: what is found out of them is found out once."""
    if node.__class__ is dict:
        return Map([(key, kept(value)) for key, value in node.items()])
    return Seq([kept(value) for value in node]) if node.__class__ is list else node
