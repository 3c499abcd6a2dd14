"""What `vitdsl check` finds in specs; plain calls of it need no typer, which takes as long to load as a spec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.cli.output import echo, print_json
from vitdsl.cli.specs import is_setting, load_spec, settings, verified
from vitdsl.errors import Problem, SpecError
from vitdsl.graph.pixels import mixers_on_pixels
from vitdsl.graph.unexpected import unexpected
from vitdsl.parts.registry import hidden
from vitdsl.resolve.files import load_tree, shipped
from vitdsl.syntax.locate import mark_of
from vitdsl.units import format_macs
from vitdsl.validate import FILE
from vitdsl.validate.hints import is_recipe
from vitdsl.validate.streams import overwritten, unread
from vitdsl.validate.written import two_norms, words

if TYPE_CHECKING:
    from vitdsl.graph.graph import Graph
    from vitdsl.spec import Spec

SHOWN = 5
"""How many unreached operators a warning names."""


def plain_call(arguments: list[str]) -> tuple[list[str], list[str], bool] | None:
    """The specs, settings and whether JSON is asked for; None where typer has to judge, or to help."""
    specs: list[str] = []
    texts: list[str] = []
    as_json = False
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--set":
            texts.append(next(waiting, ""))
        elif argument == "--json":
            as_json = True
        elif argument.startswith("-"):
            return None
        else:
            specs.append(argument)
    return (specs, texts, as_json) if specs and all(map(is_setting, texts)) else None


def diagnose(specs: list[str], texts: list[str] | None, as_json: bool, debug: bool = False) -> bool:
    """Prints what is found in each of some specs.

    Args:
        specs: files, or names of shipped specs.
        texts: what `--set` says.
        as_json: whether to print JSON.
        debug: whether to check the graphs themselves.

    Returns:
        Whether all are right.
    """
    reports = [_report(name, texts, debug) for name in specs]
    if as_json:
        print_json([{key: value for key, value in report.items() if key != "error"} for report in reports])
    else:
        _print(reports)
    return all(report["ok"] for report in reports)


def _report(name: str, set_: list[str] | None, debug: bool) -> dict[str, Any]:
    """What is found in one file."""
    try:
        if _is_recipe(name):
            return _recipe(name, set_)
        spec = verified(load_spec(name, set_), debug)
        analysis = spec.analyze()
        warnings = _warnings(spec, analysis.graph, analysis.unreached)
    except SpecError as error:
        return {"spec": name, "ok": False, "problems": [_problem(each) for each in error.problems], "error": error}
    return {
        "spec": name,
        "ok": True,
        "name": spec.name,
        "params": analysis.params,
        "macs": analysis.macs,
        "warnings": [str(warning) for warning in warnings],
    }


def _is_recipe(name: str) -> bool:
    """Whether a name is a recipe's: of a file, or of a shipped one where no spec is called so."""
    with suppress(SpecError):
        return is_recipe(load_tree(Path(name), FILE))
    return name.isidentifier() and (shipped("recipes") / f"{name}.yaml").is_file()


def _recipe(name: str, set_: list[str] | None) -> dict[str, Any]:
    """What is found in a recipe."""
    from vitdsl.training.recipe import load_recipe

    recipe = load_recipe(Path(name), settings(set_))
    numbers = {"epochs": recipe.file.epochs, "batch": recipe.file.batch}
    return {"spec": name, "ok": True, "name": recipe.name, "kind": "recipe", **numbers, "warnings": []}


def _print(reports: list[dict[str, Any]]) -> None:
    width = max(len(report.get("name", "")) for report in reports)
    for report in reports:
        if not report["ok"]:
            echo(str(report["error"]), err=True)
            continue
        name = f"{report['name']:<{width}}"
        if report.get("kind") == "recipe":
            echo(f"ok  {name}  a recipe: {report['epochs']:,} epochs, {report['batch']:,} images a step")
            continue
        echo(f"ok  {name}  {report['params']:>13,} parameters  {format_macs(report['macs']):>10}")
        for warning in report["warnings"]:
            echo(f"warning: {report['name']}: {warning}", err=True)


def _warnings(spec: Spec, graph: Graph, unreached: tuple[str, ...]) -> list[Any]:
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


def _unreached(paths: tuple[str, ...]) -> list[str]:
    """A warning of operators that no returned output reads."""
    if not paths:
        return []
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return [f"no output reads {', '.join(paths[:SHOWN])}{more}: their weights load, and never train"]


def _on_pixels(graph: Graph) -> Iterator[Problem]:
    """A warning where a mixer acts on pixels, as it does in a spec whose first stage lacks a tokenizer."""
    for path, pixels in mixers_on_pixels(graph)[:1]:
        words = f"this mixer acts on all {pixels:,} pixels of the image, as no tokenizer makes tokens of them"
        yield Problem(words, path, hint="the stage lacks `tokenizer: {type: patch, size: 16, dim: …}`")


def _unread(spec: Spec) -> Iterator[Problem]:
    """A warning for each stream that is written and read nowhere."""
    for name, path, mark in unread(spec.tree):
        yield Problem(f"nothing reads the stream '{name}'", path, mark)


def _overwritten(spec: Spec) -> Iterator[Problem]:
    """A warning for each stream that a define writes, and its user as well."""
    hint = "another name keeps both; an argument lets the user name it"
    for name, define, path, mark in overwritten(spec.tree):
        message = f"the define '{define}' writes the stream '{name}', and so does its user: one overwrites the other"
        yield Problem(message, path, mark, hint)


def _unpooled(spec: Spec, graph: Graph) -> Iterator[Problem]:
    """A warning where a head without `pool`, which says nothing of maps, classifies several tokens."""
    head = spec.model.head
    written = head is not None and (head.body or head.outputs or head.pool or head.layout)
    features = [graph.frame.features[graph.outputs[name]] for name in graph.evaluation]
    if spec.model.classes and not written and features[0].num_tokens > 1:
        message = f"the head has no `pool`: it classifies each token, and gives {features[0]}"
        hint = "`pool: mean` or `pool: cls`; `layout: map` says that a map is meant"
        yield Problem(message, "head", mark_of(spec.tree, ("head",)) if head else spec.tree.pos, hint)


def _hidden(known: set[tuple[str, str | None]]) -> Iterator[Problem]:
    """A warning for each word of a spec by which another package calls a part, too, which is not what is meant."""
    for name, package, other in hidden():
        if any(name in pair for pair in known):
            words = f"`{name}` is the part of {other} here: that of {package}, which has the same name, is hidden"
            yield Problem(words, hint=f"only another name in the entry points of {package} makes it known")


def _undropped(spec: Spec) -> list[str]:
    """A warning for each rate of stochastic depth by which nothing drops."""
    from vitdsl.graph.schedule import drops, unused

    graph = spec.graph()
    found = list(unused(graph.frame, graph.drop_path))
    usual = (spec.tree.get("defaults") or {}).get("drop_path")
    if usual not in (None, "none", 0) and not any(drop.rate for drop in drops(graph.frame, graph.drop_path)):
        found.append("`defaults` give `drop_path` a rate, but nothing drops: no item adds to what enters it")
    return found


def _of_images(graph: Graph) -> list[str]:
    """Warnings of rows and columns that nothing reads, and of images that are stretched."""
    from vitdsl.graph.rims import left_out, stretched

    lost = [f"{path} leaves out {what} of its {grid} grid" for path, (what, grid) in left_out(graph).items()]
    more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
    found = [f"{'; '.join(lost[:SHOWN])}{more}: nothing reads them there"] if lost else []
    return found + [
        f"{path} makes {new} of an image of {old}, which has another aspect"
        for path, (old, new) in stretched(graph).items()
    ]


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "message": problem.message,
        "path": problem.path,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "hint": problem.hint,
    }
