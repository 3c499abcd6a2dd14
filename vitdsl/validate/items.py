"""Validated items and bodies."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from vitdsl.validate.wiring import Wiring, has_late

_numbers = itertools.count()


class Item:
    """One item of a body: a role with its part or body, and wiring.

    Attributes:
        role: the role, or empty.
        part: the part of the role; Late if it is an argument.
        body: the body of a `body`; Late if it is an argument.
        branches: the bodies of a `parallel`.
        use: the name of the define of a `use`.
        args: its arguments, as written.
        own_wiring: the wiring as written.
        wiring: the wiring over the defaults, with late values still in it.
        late_wiring: whether the wiring has late values.
        is_residual: whether the item is residual by default, and takes the file's defaults for wiring.
        number: the identity of the item, for memos.
    """

    __slots__ = (
        "args", "body", "branches", "is_residual", "late_wiring", "number", "own_wiring", "part", "role", "use",
        "wiring",
    )  # fmt: skip

    def __init__(self, role: str, own_wiring: Mapping[str, Any]) -> None:
        self.role, self.own_wiring = role, own_wiring
        self.number = next(_numbers)
        self.part: Any = None
        self.body: Any = None
        self.branches: tuple[Body, ...] = ()
        self.use, self.args = "", {}
        self.is_residual = False
        self.late_wiring = has_late(own_wiring)
        self.wiring: Wiring


class Body:
    """A list of items.

    Attributes:
        items: the items.
        home: the family of bare parts in it.
        bare: whether it is a single bare part, which adds no segment to paths.
        listed: whether it was written as a list, so that written paths have an index.
        key: equal for bodies with equal content.
        repeated: the item that a stage's `depth` repeats, made at its first use; else None.
    """

    __slots__ = ("bare", "home", "items", "key", "listed", "repeated")

    def __init__(self, items: tuple[Any, ...], home: str, bare: bool, listed: bool, key: Any) -> None:
        self.items, self.home, self.bare, self.listed, self.key = items, home, bare, listed, key
        self.repeated: Item | None = None
