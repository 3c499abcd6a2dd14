"""Decides every hole of a file, one after another, and puts the decisions in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from vitdsl.errors import ExpressionError, Problem, SpecError
from vitdsl.resolve.substitute import fold
from vitdsl.resolve.variables import substitute_variables
from vitdsl.space.sites import ELSE, INDEXES, Site, Sites
from vitdsl.syntax.content import content
from vitdsl.syntax.expressions import Late, parse
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import Map, Seq

MAX_REPETITIONS = 10_000


class Choice(NamedTuple):
    """One decision that is to be made.

    Attributes:
        path: its written path, by which a log of decisions knows it.
        options: what may be decided: scalars, names of alternatives, or their indexes; of a range its numbers, which
            are not kept.
        key: a name that no decision with other options has; the path, but below an alternative.
        ordered: the options are numbers that go up.
    """

    path: str
    options: Sequence[Any]
    key: str
    ordered: bool


Choose = Callable[[Choice], Any]


def numbered(sites: Sites, site: Site, times: Callable[[Site, Any], int], known: int = 0) -> Iterator[tuple[int, ...]]:
    """The numbers of each repetition around a site, but for the `known` outer ones.

    Raises:
        SpecError: there are more than `MAX_REPETITIONS`.
    """
    counts = [times(site, count) for count in site.counts[known:]]
    if (asked := prod(counts)) > MAX_REPETITIONS:
        message = f"`each` would ask this {asked:,} times, and at most {MAX_REPETITIONS:,} are possible"
        raise SpecError(sites.problem(site, message, "without `each` it is asked once for all", ("each",), code="E903"))
    return product(*map(range, counts))


class Draw:
    """One way to fill the holes of a file.

    Attributes:
        log: what was decided, by written path, in the order in which it was asked.
    """

    def __init__(self, sites: Sites, choose: Choose) -> None:
        self.sites, self.choose = sites, choose
        self.log: dict[str, Any] = {}
        self._made: dict[tuple[int, tuple[int, ...]], Any] = {}
        self._runs: dict[tuple[int, tuple[int, ...]], list[tuple[int, ...]]] = {}
        self._state: dict[int, bool] = {}
        self._env: dict[str, Any] = {}

    # ------------------------------------------------------------ decisions

    def decide(self, site: Site) -> None:
        """Decides a root, and all that stands below it."""
        done = self._state.get(site.number)
        if done:
            return
        if done is False:
            raise SpecError(self.sites.problem(site, f"the decision {site.spelled()} depends on itself", code="E904"))
        self._state[site.number] = False
        self._expand(site, ())
        self._state[site.number] = True

    def _expand(self, site: Site, outer: tuple[int, ...]) -> None:
        """Decides a site in each repetition that has a decision of its own."""
        runs = self.repetitions(site, outer)
        self._runs[site.number, outer] = runs
        for numbers in runs:
            option = self._option(site, numbers)
            self._made[site.number, numbers] = option
            for child in site.below.get(option, ()):
                self._expand(child, numbers)

    def repetitions(self, site: Site, outer: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Each repetition in which a site has a decision of its own, below those that are given."""
        if not site.each:
            return [outer]
        return [(*outer, *numbers) for numbers in numbered(self.sites, site, self.times, len(outer))]

    def _option(self, site: Site, numbers: tuple[int, ...]) -> Any:
        if site.when is not None and not self.holds(site):
            return ELSE
        path = site.spelled(numbers)
        decided = self.choose(Choice(path, site.options, path + site.chain, site.ordered))
        self.log[path] = decided
        return decided

    def holds(self, site: Site) -> bool:
        """Whether the condition of a hole holds."""
        when = site.when
        if not isinstance(when, Late):
            return bool(when)
        env = dict(site.settled)
        for name, path in site.asked.items():
            for other in self.sites.by_path[path]:
                if other.root is not site.root:
                    self.decide(other.root)
            env[name] = self.log.get(path)
        for name in when.names - env.keys():
            env[name] = self.variable(name)
        return bool(self._computed(site, when, env, "when"))

    def _computed(self, site: Site, late: Late, env: dict[str, Any], key: str = "") -> Any:
        try:
            return late.evaluate(env)
        except ExpressionError as error:
            fault = self.sites.problem(site, error.message, error.hint, (key,) if key else (), code=error.code)
            raise SpecError(fault) from None

    def times(self, site: Site, count: Any) -> int:
        """How often a repetition around a site runs."""
        found = count
        if isinstance(count, Hole):
            other = self.sites.of_hole[id(count)]
            if other.root is not site.root:
                self.decide(other.root)
            found = self._value(other, ())
        if isinstance(found, Late):
            late = found
            unknown = late.names - self.sites.tree.get("vars", {}).keys()
            if unknown:
                message = f"`each` needs to know how often this is repeated, but {late.text} is only known later"
                raise SpecError(self.sites.problem(site, message, "name variables there", ("each",), code="E903"))
            found = self._computed(site, late, {name: self.variable(name) for name in late.names})
        if not isinstance(found, int) or not 0 <= found <= MAX_REPETITIONS:
            raise SpecError(
                self.sites.problem(site, f"this is repeated {found!r} times, which is no count", code="E903")
            )
        return found

    def variable(self, name: str) -> Any:
        """The value of a variable, with its holes decided."""
        if name not in self._env:
            for site in self.sites.variables.get(name, ()):
                self.decide(site)
            raw = self.filled(self.sites.tree["vars"][name])
            problems: list[Problem] = []
            env = {other: self.variable(other) for other in facts(raw).names if other in self.sites.tree["vars"]}
            self._env[name] = fold(raw, env, ("vars", name), problems, None)
            if problems:
                raise SpecError(problems)
        return self._env[name]

    # ------------------------------------------------------------ the file that comes of it

    def tree(self) -> Map:
        """The file with every decision put in."""
        tree, lists = self.sites.tree, {}
        made = Map({key: self.filled(value, lists) for key, value in tree.items()}).placed(tree)
        if lists:
            made["vars"] = Map({**made.get("vars", {}), **lists})
        made.names, made.variables = tree.names, tree.variables
        return substitute_variables(made)

    def filled(self, node: Any, lists: dict[str, Any] | None = None, outer: tuple[int, ...] = ()) -> Any:
        """A tree with its holes filled; `lists` takes what differs between repetitions, by the name of a variable."""
        if isinstance(node, Hole):
            site = self.sites.of_hole[id(node)]
            return self._each(site, lists, outer) if site.each else self._value(site, outer, lists)
        if not isinstance(node, (Map, Seq)) or not facts(node).holes:
            return node
        if isinstance(node, Map):
            return Map({key: self.filled(value, lists, outer) for key, value in node.items()}).placed(node)
        return Seq([self.filled(value, lists, outer) for value in node]).placed(node)

    def _value(self, site: Site, numbers: tuple[int, ...], lists: dict[str, Any] | None = None) -> Any:
        return self.filled(site.alternative(self._made[site.number, numbers]), lists, numbers)

    def _each(self, site: Site, lists: dict[str, Any] | None, outer: tuple[int, ...]) -> Any:
        """One value where all repetitions agree; else an element, by index, of a variable that lists them."""
        runs = self._runs[site.number, outer]
        values = [self._value(site, numbers, lists) for numbers in runs]
        if not values:
            return site.alternative(site.options[0])
        if len({content(value) for value in values}) == 1:
            return values[0]
        assert lists is not None
        name = f"each_{len(lists)}"
        lists[name] = _nested(runs, values, len(outer))
        inner = len(runs[0]) - len(outer)
        return parse(".".join((f"${name}", *reversed(INDEXES[:inner]))))


def _nested(runs: list[tuple[int, ...]], values: list[Any], level: int) -> Seq:
    """Values as a list, or as a list of lists, by the number of their repetition."""
    if level + 1 == len(runs[0]):
        return Seq(values)
    groups: dict[int, tuple[list[Any], list[Any]]] = {}
    for numbers, value in zip(runs, values, strict=True):
        group = groups.setdefault(numbers[level], ([], []))
        group[0].append(numbers)
        group[1].append(value)
    return Seq([_nested(inner, found, level + 1) for inner, found in groups.values()])


def draw(sites: Sites, choose: Choose) -> Draw:
    """Decides every hole, in the order of the file.

    Args:
        sites: the holes.
        choose: gives one of a choice's options.
    """
    made = Draw(sites, choose)
    for site in sites.roots:
        made.decide(site)
    return made
