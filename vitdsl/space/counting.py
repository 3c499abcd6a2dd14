"""How many ways there are to fill the holes of a file: logs of decisions, counted exactly.

Holes that depend on no other multiply. Where one decides how often another is asked, or whether, every way to decide
the former is tried: these are few, unlike the latter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from math import prod
from typing import Any

from vitdsl.errors import SpecError
from vitdsl.resolve.variables import names_reached
from vitdsl.space.drawing import Choice, Draw
from vitdsl.space.sites import ELSE, Site, Sites
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole, entries

LONG = 10**30
"""From here on a number is shown by its power of ten."""
LIMIT = 20_000
"""Ways to decide what others depend on that are tried, for each group of decisions."""


def count(sites: Sites) -> int | None:
    """The number of logs of decisions; None where more than `LIMIT` ways would have to be tried.

    Raises:
        SpecError: decisions that depend on themselves.
    """
    total = 1
    for group in _groups(sites):
        found = _count_group(sites, group)
        if found is None:
            return None
        total *= found
    return total


def count_text(size: int | None) -> str:
    """A number of architectures as people read it, however large it is."""
    if size is None:
        return "uncounted"
    return f"{size:,}" if size < LONG else f"{Decimal(size):.2e}"


def most(sites: Sites, site: Site, repeated: Any) -> int:
    """How often a repetition around a site runs at most, over all ways to decide it."""
    if isinstance(repeated, int):
        return repeated
    roots = list(_controllers(sites, repeated))
    found = [draw.times(site, repeated) for draw in _tries(sites, roots) or ()]
    if not found:
        message = f"`each` needs to know how often this is repeated, which more than {LIMIT:,} decisions settle"
        raise SpecError(sites.problem(site, message, "", ("each",), code="E903"))
    return max(found)


# ---------------------------------------------------------------- what depends on what


def _asked(sites: Sites, site: Site) -> Iterator[Site]:
    """The roots on which a site depends by its condition, or by the repetitions around it."""
    if site.each:
        for repeated in site.counts:
            yield from _controllers(sites, repeated)
    for path in site.asked.values():
        yield from (other.root for other in sites.by_path[path])
    if isinstance(site.when, Late):
        yield from _of_variables(sites, site.when.names - site.asked.keys() - site.settled.keys())


def _controllers(sites: Sites, repeated: Any) -> Iterator[Site]:
    if isinstance(repeated, Hole):
        yield sites.of_hole[id(repeated)].root
    elif isinstance(repeated, Late):
        yield from _of_variables(sites, repeated.names)


def _of_variables(sites: Sites, names: Iterable[str]) -> Iterator[Site]:
    """The roots in variables, and in those that these name."""
    reached = names_reached(names, sites.tree.get("vars", {}))
    yield from (root for name, roots in sites.variables.items() if name in reached for root in roots)


def _below(site: Site) -> Iterator[Site]:
    yield site
    for children in site.below.values():
        for child in children:
            yield from _below(child)


def _needs(sites: Sites, root: Site) -> list[Site]:
    """The other roots on which a root depends."""
    found = dict.fromkeys(other for site in _below(root) for other in _asked(sites, site))
    return [other for other in found if other is not root]


def _groups(sites: Sites) -> list[list[Site]]:
    """Roots that depend on one another, directly or not; what depends on nothing is alone."""
    group = {root.number: [root] for root in sites.roots}
    for root in sites.roots:
        for other in _needs(sites, root):
            mine, theirs = group[root.number], group[other.number]
            if mine is not theirs:
                mine += theirs
                group.update((site.number, mine) for site in theirs)
    return list({id(found): sorted(found, key=lambda site: site.number) for found in group.values()}.values())


# ---------------------------------------------------------------- counting


def _count_group(sites: Sites, group: list[Site]) -> int | None:
    needed = {other.number for root in group for other in _needs(sites, root)}
    needed |= {root.number for root in group if any(other is root for s in _below(root) for other in _asked(sites, s))}
    controlling = [root for root in group if root.number in needed]
    rest = [root for root in group if root.number not in needed]
    tries = _tries(sites, controlling)
    if tries is None:
        return None
    return sum(prod(_ways(draw, root, ()) for root in rest) for draw in tries)


def _ways(draw: Draw, site: Site, outer: tuple[int, ...]) -> int:
    """In how many ways a site can be decided, once all that it depends on is."""
    runs = draw.repetitions(site, outer)
    asked = site.when is None or draw.holds(site)
    if not asked:
        return prod(_ways(draw, child, numbers) for numbers in runs for child in site.below.get(ELSE, ()))
    branching = site.below.keys() - {ELSE}  # a range may be too long to go over its numbers
    total = 1 if branching else len(site.options) ** len(runs)
    for numbers in runs if branching else ():
        below = sum(prod(_ways(draw, child, numbers) for child in site.below[option]) for option in branching)
        total *= len(site.options) - len(branching) + below
    return total


def _tries(sites: Sites, roots: list[Site]) -> list[Draw] | None:
    """Every way to decide some roots; None where there are more than `LIMIT`."""
    made = list(islice(_draws(sites, roots), LIMIT + 1))
    return made if len(made) <= LIMIT else None


def logs(sites: Sites) -> Iterator[Draw]:
    """Every draw there is, one after another."""
    return _draws(sites, sites.roots)


def _draws(sites: Sites, roots: list[Site]) -> Iterator[Draw]:
    """Every way to decide some roots, one after another."""
    script: list[tuple[int, int]] | None = []
    while script is not None:
        draw, taken = _follow(sites, roots, script)
        yield draw
        script = _next(taken)


def _follow(sites: Sites, roots: list[Site], script: list[tuple[int, int]]) -> tuple[Draw, list[tuple[int, int]]]:
    """The draw that takes the options of a script, then first ones; and what it took, out of how many."""
    taken: list[tuple[int, int]] = []

    def choose(choice: Choice) -> Any:
        index = script[len(taken)][0] if len(taken) < len(script) else 0
        taken.append((index, len(choice.options)))
        return choice.options[index]

    draw = Draw(sites, choose)
    for root in roots:
        draw.decide(root)
    return draw, taken


def _next(taken: list[tuple[int, int]]) -> list[tuple[int, int]] | None:
    """The script after this one, or None after the last."""
    while taken and taken[-1][0] + 1 == taken[-1][1]:
        taken.pop()
    return [*taken[:-1], (taken[-1][0] + 1, taken[-1][1])] if taken else None


def repeating(sites: Sites) -> frozenset[str]:
    """The written paths of decisions that say how often something is repeated, themselves or through a variable."""
    found = {site.spelled() for site in sites.all if site.path[-1] in ("depth", "repeat")}
    for counted in _counts(sites.tree):
        found |= {site.spelled() for site in _controllers(sites, counted)}
    return frozenset(found)


def _counts(node: Any) -> Iterator[Any]:
    """What stands at `depth` and `repeat` in a tree."""
    for key, value in entries(node):
        if key in ("depth", "repeat"):
            yield value
        yield from _counts(value)
