"""What is found in a file: its kind, all that is wrong with it, and what is allowed but probably not meant.

`vitdsl check` prints it, and the language server shows it while the file is written. It loads neither torch nor typer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.errors import Problem, SpecError
from vitdsl.graph.pixels import mixers_on_pixels
from vitdsl.graph.unexpected import unexpected
from vitdsl.parts.registry import hidden
from vitdsl.resolve.files import load_tree, shipped
from vitdsl.spec import Spec, load
from vitdsl.syntax.locate import holes_in, mark_of, problem
from vitdsl.syntax.tree import Map
from vitdsl.validate import FILE, SpecReader
from vitdsl.validate.declarations import judge
from vitdsl.validate.hints import kind_of
from vitdsl.validate.streams import overwritten, unread
from vitdsl.validate.written import two_norms, words

if TYPE_CHECKING:
    from vitdsl.graph.graph import Graph

SHOWN = 5
"""How many unreached operators a warning names."""


@dataclass(frozen=True)
class Report:
    """What is found in one file.

    Attributes:
        given: the name or path that was asked for.
        kind: `spec`, `space`, `recipe`, `search` or `define`; what it is taken for, where it is wrong.
        name: what the file calls itself.
        error: all that is wrong, or None.
        warnings: what is allowed, and is probably not meant; some have a module path and no mark.
        figures: of a spec `params` and `macs`; of another file what sums it up.
        spec: of a spec that could be read.
    """

    given: str
    kind: str = "spec"
    name: str = ""
    error: SpecError | None = None
    warnings: tuple[Problem, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    spec: Spec | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong, in the order of the file."""
        return () if self.error is None else self.error.problems


def report(given: str, settings: Mapping[str, Any] | None = None, debug: bool = False) -> Report:
    """What is found in a file.

    Args:
        given: a path, or the name of a shipped file; never text.
        settings: values by written path, laid over the file.
        debug: whether to check the graph itself.
    """
    kind = "spec"
    try:
        kind = _kind(given)
        return JUDGES.get(kind, _spec)(given, settings, debug)
    except SpecError as error:
        return Report(given, kind, error=error)


def _kind(given: str) -> str:
    """The kind of a file; of a name that no spec has, that of the shipped recipe."""
    with suppress(SpecError):
        return kind_of(load_tree(Path(given), FILE))
    return "recipe" if given.isidentifier() and (shipped("recipes") / f"{given}.yaml").is_file() else "spec"


def _spec(given: str, settings: Mapping[str, Any] | None, debug: bool) -> Report:
    """What is found in a spec, or in a space."""
    spec = load(Path(given), settings)
    if holes_in(spec.tree):
        return _space(given, spec)
    try:
        graph = spec.graph()
    except SpecError as error:
        return Report(given, error=error, spec=spec)
    if debug:
        from vitdsl.graph.verify import verify

        verify(graph)
    analysis = spec.analyze()
    warnings = tuple(_warnings(spec, graph, analysis.unreached))
    figures = {"params": analysis.params, "macs": analysis.macs}
    return Report(given, "spec", spec.name, None, warnings, figures, spec)


def _space(given: str, spec: Spec) -> Report:
    """What is found in a spec with holes; its shapes depend on what is decided."""
    from vitdsl.space.space import Space

    return Report(given, "space", spec.name, figures={"architectures": Space(spec).size}, spec=spec)


def _recipe(given: str, settings: Mapping[str, Any] | None, debug: bool) -> Report:
    from vitdsl.training.recipe import load_recipe

    recipe = load_recipe(Path(given), settings)
    figures = {"epochs": recipe.file.epochs, "batch": recipe.file.batch}
    return Report(given, "recipe", recipe.name, figures=figures)


def _search(given: str, settings: Mapping[str, Any] | None, debug: bool) -> Report:
    from vitdsl.search.file import load_search

    search = load_search(Path(given), settings)
    figures = {"space": search.space.name, "trials": search.file.budget.trials}
    return Report(given, "search", search.name, figures=figures)


def _define(given: str, settings: Mapping[str, Any] | None, debug: bool) -> Report:
    """What is found in a define that is a file of its own, as those of the library are."""
    if settings:
        hint = "a spec that uses it has `define.NAME`"
        raise SpecError(Problem("nothing can be put into a define alone", hint=hint, code="E302"))
    tree, name = load_tree(Path(given), FILE), Path(given).stem
    faults = judge(SpecReader(Map(), Map({name: tree})), ())
    if faults:
        raise SpecError([problem(tree, *fault._replace(at=fault.at[2:])) for fault in faults])
    return Report(given, "define", name, figures={"arguments": [*tree.get("args", ()), *tree.get("optional", ())]})


JUDGES = {"recipe": _recipe, "search": _search, "define": _define}
"""What judges a file that is no spec, by its kind; what is no file to be checked is refused as a spec."""


# ---------------------------------------------------------------- warnings


def _warnings(spec: Spec, graph: Graph, unreached: tuple[str, ...]) -> list[Problem]:
    """What is allowed, and is probably not meant."""
    written = words(spec.tree)
    return [
        *_unreached(unreached),
        *_unread(spec),
        *_overwritten(spec),
        *_undropped(spec),
        *_of_images(graph),
        *_on_pixels(graph),
        *(two_norms(spec.tree) if ("post", None) in written else ()),
        *unexpected(graph, written),
        *_unpooled(spec, graph),
        *_hidden(written),
    ]


def _unreached(paths: tuple[str, ...]) -> list[Problem]:
    """A warning of operators that no returned output reads."""
    if not paths:
        return []
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    message = f"no output reads {', '.join(paths[:SHOWN])}{more}: their weights load, and never train"
    return [Problem(message, code="W001")]


def _on_pixels(graph: Graph) -> Iterator[Problem]:
    """A warning where a mixer acts on pixels, as it does in a spec whose first stage lacks a tokenizer."""
    for path, pixels in mixers_on_pixels(graph)[:1]:
        words = f"this mixer acts on all {pixels:,} pixels of the image, as no tokenizer makes tokens of them"
        yield Problem(words, path, hint="the stage lacks `tokenizer: {type: patch, size: 16, dim: …}`", code="W007")


def _unread(spec: Spec) -> Iterator[Problem]:
    """A warning for each stream that is written and read nowhere."""
    for name, path, mark in unread(spec.tree):
        yield Problem(f"nothing reads the stream '{name}'", path, mark, code="W002")


def _overwritten(spec: Spec) -> Iterator[Problem]:
    """A warning for each stream that a define writes, and its user as well."""
    hint = "another name keeps both; an argument lets the user name it"
    for name, define, path, mark in overwritten(spec.tree):
        message = f"the define '{define}' writes the stream '{name}', and so does its user: one overwrites the other"
        yield Problem(message, path, mark, hint, code="W003")


def _unpooled(spec: Spec, graph: Graph) -> Iterator[Problem]:
    """A warning where a head without `pool`, which says nothing of maps, classifies several tokens."""
    head = spec.model.head
    written = head is not None and (head.body or head.outputs or head.pool or head.layout)
    features = [graph.frame.features[graph.outputs[name]] for name in graph.evaluation]
    if spec.model.classes and not written and features[0].num_tokens > 1:
        message = f"the head has no `pool`: it classifies each token, and gives {features[0]}"
        hint = "`pool: mean` or `pool: cls`; `layout: map` says that a map is meant"
        yield Problem(message, "head", mark_of(spec.tree, ("head",)) if head else spec.tree.pos, hint, code="W015")


def _hidden(known: set[tuple[str, str | None]]) -> Iterator[Problem]:
    """A warning for each word of a spec by which another package calls a part, too, which is not what is meant."""
    for name, package, other in hidden():
        if any(name in pair for pair in known):
            words = f"`{name}` is the part of {other} here: that of {package}, which has the same name, is hidden"
            hint = f"only another name in the entry points of {package} makes it known"
            yield Problem(words, hint=hint, code="W016")


def _undropped(spec: Spec) -> list[Problem]:
    """A warning for each rate of stochastic depth by which nothing drops."""
    from vitdsl.graph.schedule import drops, unused

    graph = spec.graph()
    found = [Problem(text, code="W004") for text in unused(graph.frame, graph.drop_path)]
    usual = (spec.tree.get("defaults") or {}).get("drop_path")
    if usual not in (None, "none", 0) and not any(drop.rate for drop in drops(graph.frame, graph.drop_path)):
        message = "`defaults` give `drop_path` a rate, but nothing drops: no item adds to what enters it"
        found.append(Problem(message, code="W004"))
    return found


def _of_images(graph: Graph) -> list[Problem]:
    """Warnings of rows and columns that nothing reads, and of images that are stretched."""
    from vitdsl.graph.rims import left_out, stretched

    lost = [f"{path} leaves out {what} of its {grid} grid" for path, (what, grid) in left_out(graph).items()]
    more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
    message = f"{'; '.join(lost[:SHOWN])}{more}: nothing reads them there"
    found = [Problem(message, code="W005")] if lost else []
    return found + [
        Problem(f"{path} makes {new} of an image of {old}, which has another aspect", code="W006")
        for path, (old, new) in stretched(graph).items()
    ]
