"""Where the holes of a file are, and on what each depends.

A *site* is one hole of the file. Alternatives may hold holes of their own: sites below an option of the first.
A hole with `each: true` is decided once for every repetition around it; `LOOP` stands in its path for their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from vitdsl.errors import ExpressionError, Problem, SpecError, did_you_mean
from vitdsl.syntax.expressions import Late, parse
from vitdsl.syntax.holes import Hole, Numbers, entries, scalars
from vitdsl.syntax.locate import problem
from vitdsl.syntax.paths import Repetition, Segment, format_path, parse_path
from vitdsl.syntax.tree import Map

LOOP = Repetition(-1)
"""Stands in a site's path for the number of a repetition."""


class Otherwise:
    """The option of a hole whose `when` does not hold."""

    def __str__(self) -> str:
        return "else"


ELSE = Otherwise()
INDEXES = ("$index", "$index_1")
"""What an expression calls the number of the nearest repetition, and of the one around it."""
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


class Site:
    """One hole.

    Attributes:
        hole: as written.
        path: written path, with `LOOP` after every repeated body.
        paths: its written paths so far, by the numbers of repetitions.
        location: where it stands in the file, by key.
        counts: how often each repetition around it runs, outermost first: a number, a late value or a hole.
        options: what may be decided: scalars, names or indexes; of a range its numbers, which are not kept.
        each: whether every repetition decides by itself.
        when: the condition, its quoted paths replaced by names; None where there is none.
        asked: those names, with the written paths of the decisions that they stand for.
        settled: those names, with the values that stand at their paths, where these are no longer open.
        parent: the site and the option below which it stands.
        chain: the options above it, as text.
        below: the sites in each option.
    """

    __slots__ = (
        "asked", "below", "chain", "counts", "each", "hole", "location", "number", "options", "ordered", "parent",
        "path", "paths", "settled", "when",
    )  # fmt: skip

    def __init__(
        self, hole: Hole, path: tuple[Segment, ...], location: tuple[Any, ...], counts: tuple[Any, ...],
        parent: tuple[Site, Any] | None, number: int,
    ) -> None:  # fmt: skip
        self.hole, self.path, self.location, self.counts = hole, path, location, counts
        self.parent, self.number = parent, number
        self.paths: dict[tuple[int, ...], str] = {}
        self.each = hole.raw.get("each") is True
        self.options, self.ordered = _options(hole)
        self.below: dict[Any, list[Site]] = {}
        self.when: Late | bool | None = None
        self.asked: dict[str, str] = {}
        self.settled: dict[str, Any] = {}
        self.chain = f"{parent[0].chain}|{parent[1]}" if parent else ""

    @property
    def root(self) -> Site:
        """The site that it stands below, at any depth, or itself."""
        return self.parent[0].root if self.parent else self

    def spelled(self, repetitions: tuple[int, ...] = ()) -> str:
        """The written path in these repetitions; those that are not given are left out."""
        if repetitions not in self.paths:
            numbers = map(Repetition, repetitions)
            path = [next(numbers, LOOP) if segment is LOOP else segment for segment in self.path]
            self.paths[repetitions] = format_path([segment for segment in path if segment is not LOOP])
        return self.paths[repetitions]

    def alternative(self, option: Any) -> Any:
        """What is put in for an option."""
        if option is ELSE:
            return self.hole.raw.get("else")
        choices = self.hole.raw.get("choose")
        if isinstance(choices, dict):
            return choices[option]
        return choices[option] if isinstance(choices, list) and not scalars(choices) else option


def _options(hole: Hole) -> tuple[Sequence[Any], bool]:
    choices = hole.raw.get("choose")
    if isinstance(choices, dict):
        return tuple(choices), False
    if isinstance(choices, list):
        if not scalars(choices):
            return tuple(range(len(choices))), False
        numbers = all(type(choice) in (int, float) for choice in choices)
        return tuple(choices), numbers and choices == sorted(choices)
    return Numbers(*hole.raw["range"]), True


class Sites:
    """All holes of a file.

    Attributes:
        tree: the file.
        all: every site, in the order of the file, with `vars` first.
        roots: those that stand below no other.
        variables: the roots in each variable.
        of_hole: the site of a hole.
    """

    def __init__(self, tree: Map) -> None:
        self.tree = tree
        self.all: list[Site] = []
        self.roots: list[Site] = []
        self.variables: dict[str, list[Site]] = {}
        self.of_hole: dict[int, Site] = {}
        self.by_path: dict[str, list[Site]] = {}

    def problem(self, site: Site, message: str, hint: str = "", at: tuple[str, ...] = (), code: str = "") -> Problem:
        """A fault at a hole, or at one of its keys."""
        return problem(self.tree, (*site.location, *at), message, hint, code)


def survey(tree: Map) -> Sites:
    """Finds the holes of a merged file.

    Raises:
        SpecError: holes that cannot be decided, each with its place.
    """
    sites = Sites(tree)
    for name, value in tree.get("vars", {}).items():
        start = len(sites.roots)
        _visit(sites, value, ("vars", name), ("vars", name), (), None)
        sites.variables[name] = sites.roots[start:]
    for key, value in tree.items():
        if key != "vars":
            _visit(sites, value, (key,), (key,), (), None)
    faults = [fault for site in sites.all for fault in _faults(sites, site)]
    if faults:
        raise SpecError(faults)
    return sites


def _visit(
    sites: Sites, node: Any, path: tuple[Segment, ...], location: tuple[Any, ...], counts: tuple[Any, ...],
    parent: tuple[Site, Any] | None,
) -> None:  # fmt: skip
    if isinstance(node, Hole):
        _add(sites, Site(node, path, location, counts, parent, len(sites.all)))
    elif isinstance(node, dict):
        for key, value, repeated in _repeated(node):
            before = (LOOP,) if repeated == "item" else ()
            after = (LOOP,) if repeated == "block" else ()
            inner = (*counts, node["repeat"]) if before else (*counts, node.get("depth")) if after else counts
            _visit(sites, value, (*path, *before, key, *after), (*location, key), inner, parent)
    else:
        for index, value in entries(node):
            _visit(sites, value, (*path, index), (*location, index), counts, parent)


def _repeated(node: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """The entries of a mapping, what counts repetitions first; each with what repeats it."""
    for key in ("depth", "repeat"):
        if key in node:
            yield key, node[key], ""
    for key, value in node.items():
        if key not in ("depth", "repeat"):
            block = key == "block" and "depth" in node
            yield key, value, "block" if block else "item" if "repeat" in node else ""


def _add(sites: Sites, site: Site) -> None:
    sites.all.append(site)
    sites.of_hole[id(site.hole)] = site
    sites.by_path.setdefault(site.spelled(), []).append(site)
    if site.parent is None:
        sites.roots.append(site)
    else:
        site.parent[0].below.setdefault(site.parent[1], []).append(site)
    raw = site.hole.raw
    for option, value in entries(raw.get("choose")):
        _visit(sites, value, site.path, (*site.location, "choose", option), site.counts, (site, option))
    if "else" in raw:
        _visit(sites, raw["else"], site.path, (*site.location, "else"), site.counts, (site, ELSE))


# ---------------------------------------------------------------- what is wrong with a hole where it stands


def _faults(sites: Sites, site: Site) -> Iterator[Problem]:
    if site.location[0] in ("name", "paper", "extends", "set"):
        yield sites.problem(site, f"`{site.location[0]}` is no decision of an architecture", code="E902")
    if site.each:
        yield from _each_faults(sites, site)
    if "when" in site.hole.raw:
        yield from _condition_faults(sites, site)


def _each_faults(sites: Sites, site: Site) -> Iterator[Problem]:
    if not site.counts:
        where = "a define is used in many places" if site.location[0] == "define" else "nothing repeats this"
        hint = "let it be an argument, with the hole where it is used" if site.location[0] == "define" else ""
        yield sites.problem(
            site, f"`each` needs a repetition around the hole, but {where}", hint, ("each",), code="E903"
        )
    elif len(site.counts) > len(INDEXES):
        yield sites.problem(
            site, "`each` sees two repetitions, but three are around the hole", "", ("each",), code="E903"
        )


def _condition_faults(sites: Sites, site: Site) -> Iterator[Problem]:
    try:
        site.when = _asking(sites, site, site.hole.raw["when"])
    except ExpressionError as error:
        yield sites.problem(site, error.message, error.hint, ("when",), code=error.code)
        return
    if isinstance(site.when, Late):
        known = site.asked.keys() | site.settled.keys() | sites.tree.get("vars", {}).keys()
        for name in sorted(site.when.names - known)[:1]:
            message = f"`when` sees variables and decisions, but `{name}` is only known later"
            yield sites.problem(site, message, "", ("when",), code="E904")
    yield from _order_faults(sites, site)


def _asking(sites: Sites, site: Site, when: Late | bool) -> Late | bool:
    """The condition, with a name for each quoted path of a decision."""
    if not isinstance(when, Late):
        return when

    def named(match: re.Match[str]) -> str:
        path = match[1] if match[1] is not None else match[2]
        name = f"decision_{len(site.asked) + len(site.settled)}"
        if path in sites.by_path:
            site.asked[name] = path
        elif (value := _written(sites.tree, path)) is not None:
            site.settled[name] = value
        elif "." in path or "[" in path:
            raise ExpressionError(f"there is no decision {path}", did_you_mean(path, sites.by_path), code="E904")
        else:
            return match[0]
        return name

    made = parse(_QUOTED.sub(named, when.text))
    return made if isinstance(made, Late) else when


def _written(tree: Any, path: str) -> Any:
    """The plain value that stands at a path, or None: a hole may have been filled before."""
    try:
        segments = parse_path(path)
    except SpecError:
        return None
    node = tree
    for segment in segments:
        mapping = isinstance(node, dict) and segment in node
        if not mapping and not (isinstance(node, list) and isinstance(segment, int) and segment < len(node)):
            return None
        node = node[segment]  # type: ignore[index]
    return node if isinstance(node, (str, int, float)) else None


def _order_faults(sites: Sites, site: Site) -> Iterator[Problem]:
    for path in site.asked.values():
        for other in sites.by_path[path]:
            if other.root is site.root and other.number >= site.number:
                yield sites.problem(
                    site, f"`when` asks for `{path}`, which is decided after it", "", ("when",), code="E904"
                )
            if other.each:
                yield sites.problem(
                    site, f"`when` asks for `{path}`, of which each repetition has one", "", ("when",), code="E904"
                )
