"""Items and bodies, as validated."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from vitdsl.parts.base import LateList
from vitdsl.syntax.expressions import Late
from vitdsl.validate.wiring import NESTED, Wiring

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


def has_late(given: Mapping[str, Any]) -> bool:
    """Whether wiring, as written, has late values of its own."""
    for key, value in given.items():
        if isinstance(value, (Late, LateList)) or (isinstance(value, list) and any(isinstance(v, Late) for v in value)):
            return True
        if (
            key in NESTED
            and isinstance(value, dict)
            and any(
                isinstance(value.get(k), Late)
                or (isinstance(value.get(k), list) and any(isinstance(v, Late) for v in value[k]))
                for k in NESTED[key]
            )
        ):
            return True
    return False
