"""Items and bodies, as validated."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from vitdsl.validate.wiring import Wiring, has_late

_numbers = itertools.count()


class Item:
    """One item of a body: a role with what fills it, and wiring.

    Attributes:
        role: the role, or empty.
        part: what a role that holds a part holds; Late where it is an argument.
        body: the body of a `body`; Late where it is an argument.
        branches: the bodies of a `parallel`.
        args: the arguments of a `use`, as written.
        use: the name of the define.
        given: the wiring as written.
        wiring: the wiring, with defaults, as far as it is not late.
    """

    __slots__ = (
        "args", "body", "branches", "given", "late_wiring", "natural", "number", "part", "role",
        "use",
        "wiring",
    )  # fmt: skip

    def __init__(self, role: str, given: Mapping[str, Any]) -> None:
        self.role, self.given = role, given
        self.number = next(_numbers)
        self.part: Any = None
        self.body: Any = None
        self.branches: tuple[Body, ...] = ()
        self.use, self.args = "", {}
        self.natural = False
        self.late_wiring = has_late(given)
        self.wiring: Wiring


class Body:
    """A list of items.

    Attributes:
        items: the items.
        home: the family of a bare part in it.
        bare: it is a single bare part, which adds no segment to paths.
        listed: it was written as a list, so that written paths have an index.
        key: the same for bodies that hold the same.
        repeated: the body as the item that a stage's `depth` repeats, once it was asked for.
    """

    __slots__ = ("bare", "home", "items", "key", "listed", "repeated")

    def __init__(self, items: tuple[Any, ...], home: str, bare: bool, listed: bool, key: Any) -> None:
        self.items, self.home, self.bare, self.listed, self.key = items, home, bare, listed, key
        self.repeated: Item | None = None
