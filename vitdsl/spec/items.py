"""Items and bodies, as validated."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from vitdsl.expressions import Late, parse
from vitdsl.facts import facts
from vitdsl.parts.base import LateList
from vitdsl.spec.wiring import (
    NESTED,
    Drop,
    Wiring,
)

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
        lates: late values in it that depend on more than features, seen from outside of its repetition.
        inner: the same seen from inside, in the order of their texts, once they were asked for.
    """

    __slots__ = (
        "args", "body", "branches", "given", "inner", "late_wiring", "lates", "natural", "number", "part", "role",
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
        self.lates: frozenset[Late] = frozenset()
        self.inner: tuple[Late, ...] | None = None


class Body:
    """A list of items.

    Attributes:
        items: the items.
        home: the family of a bare part in it.
        bare: it is a single bare part, which adds no segment to paths.
        listed: it was written as a list, so that written paths have an index.
        lates: late values in it that depend on more than features.
        key: the same for bodies that hold the same.
        repeated: the body as the item that a stage's `depth` repeats, once it was asked for.
    """

    __slots__ = ("bare", "home", "items", "key", "lates", "listed", "repeated")

    def __init__(self, items: tuple[Any, ...], home: str, bare: bool, listed: bool, key: Any) -> None:
        self.items, self.home, self.bare, self.listed, self.key = items, home, bare, listed, key
        self.repeated: Item | None = None
        self.lates = frozenset().union(*(item.lates if isinstance(item, Item) else frozenset([item]) for item in items))


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


INDEX: Any = parse("$index")


def by_index(item: Item) -> bool:
    """Whether stochastic depth gives the item a rate for each repetition."""
    drop = item.wiring.drop_path
    return isinstance(drop, Drop) and drop.rates is not None


def outward(late: Late) -> Late:
    """What `index_1` inside a repetition is outside of it."""
    return INDEX if late.names <= {"index", "index_1"} and "index_1" in late.names else late


FEATURES = frozenset({"dim", "height", "width"})
"""What a feature gives late values to read."""


def dependent(node: Any) -> set[Late]:
    """Late values in a tree that depend on more than features."""
    if not facts(node).names - FEATURES:
        return set()
    if isinstance(node, Late):
        return {node}
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return set().union(*(dependent(value) for value in values))
