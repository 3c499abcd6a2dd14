"""Which late values a tree reads: what an analysis depends on beyond the features that enter it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vitdsl.errors import Refusal
from vitdsl.resolve.substitute import INDEXES
from vitdsl.syntax.expressions import Late, parse
from vitdsl.syntax.summary import facts

if TYPE_CHECKING:
    from vitdsl.validate.reader import SpecReader

FEATURES = frozenset({"dim", "height", "width"})
"""What a feature gives late values to read."""
INDEX: Any = parse("$index")
NO_LATES: frozenset[Late] = frozenset()


def seen(node: Any, reader: SpecReader) -> frozenset[Late]:
    """Late values in a tree that depend on more than features, also in the defines that it uses.

    Those below a `repeat` are as its surrounding sees them: they do not read its `index`.
    """
    own = facts(node)
    if not own.uses and not own.rates and own.names <= FEATURES:
        return NO_LATES
    if isinstance(node, Late):
        return frozenset([node])
    if isinstance(node, dict):
        found = within(node, reader)
        return found if node.get("repeat") is None else outside(found, node["repeat"])
    return NO_LATES.union(*[seen(value, reader) for value in node]) if isinstance(node, (list, tuple)) else NO_LATES


def inherited(reader: SpecReader) -> frozenset[Late]:
    """Late values that any item may take from the file's defaults, whatever repetitions it stands in."""
    own = facts(reader.defaults)
    if own.uses or own.rates:  # no body can be read yet
        names = own.names.union(facts(reader.defines).names, INDEXES) - FEATURES
        return frozenset([named(name) for name in names])
    found = seen(reader.defaults, reader) if own.names else NO_LATES
    return found.union(elsewhere(found), outward(found), outward(outward(found))) if found else found


def within(node: Mapping[str, Any], reader: SpecReader) -> frozenset[Late]:
    """Late values in a mapping, as its own repetitions see them."""
    found = NO_LATES.union(*[seen(value, reader) for value in node.values()])
    if facts(node).rates and "rates" in node:
        found |= {INDEX}  # stochastic depth gives each repetition a rate
    if isinstance(use := node.get("use"), str):
        if any("index_1" in late.names for late in found):
            found |= {INDEX}  # an argument may stand in a repetition of the define
        with suppress(Refusal):  # a fault inside a define is reported there, not at each use
            found |= reader.lates_of(use)
    return found


def outside(found: frozenset[Late], repeat: Any) -> frozenset[Late]:
    """What late values of an item read that is repeated so often, as its surrounding sees them."""
    # it may turn out that nothing is repeated, and how often may depend on the repetition around it
    return found | outward(found) if isinstance(repeat, Late) else outward(found)


def outward(lates: Iterable[Late]) -> frozenset[Late]:
    """What late values inside of a repetition read of what is around it: `index_1` is the `index` there."""
    made: set[Late] = set()
    for late in lates:
        if late.names.isdisjoint(INDEXES):
            made.add(late)
            continue
        made |= without(late, INDEXES)
        if "index_1" in late.names:
            made.add(INDEX)
    return frozenset(made)


def without(late: Late, known: Iterable[str] = ()) -> set[Late]:
    """The names that a late value reads, each a late value of its own, but for known ones."""
    return {named(name) for name in late.names.difference(known, FEATURES)}


def elsewhere(lates: Iterable[Late]) -> frozenset[Late]:
    """What late values read that are put in somewhere else, where other arguments may be known, or other repetitions.

    What reads repetitions alone keeps its text, since two of them may give it one value.
    """
    made: set[Late] = set()
    for late in lates:
        made |= {late} if late.names <= INDEXES else without(late)
        if "index_1" in late.names:
            made.add(INDEX)
    return frozenset(made)


def named(name: str) -> Any:
    """The late value that is a name."""
    return parse(f"${name}")
