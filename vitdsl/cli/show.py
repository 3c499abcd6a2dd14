"""`vitdsl show`: a spec at each of the steps that it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitdsl.cli.attention import AttentionOptions, check_options, draw
from vitdsl.cli.options import AsJson, Debug, ImageSize, Settings, SpecName, image_size
from vitdsl.cli.output import echo, print_json, print_table
from vitdsl.cli.specs import load_spec, settings, verified
from vitdsl.cli.weights import LayoutName
from vitdsl.syntax.locate import mark_of
from vitdsl.syntax.paths import format_path
from vitdsl.syntax.printer import as_yaml, plain

if TYPE_CHECKING:
    from vitdsl.spec import Spec
    from vitdsl.syntax.paths import Segment
    from vitdsl.syntax.tree import Map


class Step(StrEnum):
    """The steps between a file and its module."""

    values = "values"
    spec = "spec"
    expanded = "expanded"
    graph = "graph"
    code = "code"


def run(
    spec: SpecName,
    set_: Settings = None,
    stage: Annotated[Step | None, typer.Option(help="Which step to show; the graph if not said.")] = None,
    axes: Annotated[
        bool, typer.Option("--axes", help="Every mixer and dynamic convolution in one table: bank, kernel, …")
    ] = False,
    paths: Annotated[bool, typer.Option("--paths", help="Written paths beside module paths.")] = False,
    origins: Annotated[bool, typer.Option("--origins", help="With values: which file and line set each.")] = False,
    attention: Annotated[
        Path | None, typer.Option(metavar="PHOTO", help="A picture of what mixers attend to in a photo.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The .svg or .png file of the picture.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE|NAME", help="Of the picture: as `vitdsl predict` takes them.")
    ] = None,
    layout: LayoutName = None,
    blocks: Annotated[
        str | None, typer.Option(metavar="LIST", help="Of the picture: 0,-1 or module paths of mixers; else all.")
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(metavar="Y,X", help="Of the picture: the pixel that asks; else the class token, or all."),
    ] = None,
    size: ImageSize = None,
    debug: Debug = False,
    as_json: AsJson = False,
) -> None:
    """Show a spec as values, spec, expanded spec, graph or code.

    Or its mixers by their axes (`--axes`), its paths (`--paths`), or a picture of its attention maps (`--attention`).
    """
    picture = AttentionOptions(attention, output, weights, layout, blocks, query)
    check_options(picture)
    if attention is not None and (axes or paths or stage is not None):
        raise typer.BadParameter(
            "it is a view of its own, without --stage, --axes or --paths", param_hint="--attention"
        )
    if axes and (paths or stage is not None):
        raise typer.BadParameter("it is a view of its own, without --stage or --paths", param_hint="--axes")
    if origins and (stage is not Step.values or paths):
        raise typer.BadParameter("it goes with --stage values", param_hint="--origins")
    if paths and stage not in (None, Step.expanded):
        raise typer.BadParameter("it goes with --stage expanded", param_hint="--paths")
    given = image_size(size)
    if stage is Step.values:
        _values(spec, settings(set_), origins, as_json)
        return
    known = verified(load_spec(spec, set_), debug, given)
    if attention is not None:
        draw(known, picture, given, as_json)
    elif axes:
        _axes(known, given, as_json)
    elif paths:
        _paths(known, as_json)
    else:
        text = _text(known, stage or Step.graph, given).rstrip("\n")
        if as_json:
            print_json({"name": known.name, "stage": (stage or Step.graph).value, "text": text})
        else:
            echo(text)


def _text(spec: Spec, step: Step, size: int | tuple[int, int] | None) -> str:
    """A step that is one text."""
    if step is Step.spec:
        return spec.dump()
    if step is Step.expanded:
        return written_out(spec)
    if step is Step.graph:
        return str(spec.graph(size))
    from vitdsl.compiler.build import build

    return build(spec, device="meta", size=size).code


def written_out(spec: Spec) -> str:
    """The spec without defaults, defines and forms; what its graph fixes is written as a number where it must be.

    Raises:
        SpecError: it cannot be said so.
    """
    from vitdsl.elaborate.expand import expanded
    from vitdsl.errors import Problem, SpecError
    from vitdsl.spec import load
    from vitdsl.syntax.locate import holes_in
    from vitdsl.syntax.printer import dump_tree

    if holes_in(spec.tree):
        return dump_tree(expanded(spec))
    graph = str(spec.graph())  # a spec whose shapes do not fit says so first
    for prepare in (lambda spec: spec, _with_numbers):
        with suppress(SpecError):
            text = dump_tree(expanded(prepare(spec)))
            if str(load(text).graph()) == graph:
                return text
    expanded(spec)  # says why it cannot be written, where it knows
    message = (
        "this spec cannot be written without forms and defines: a late value in it reads the feature that enters one,"
        " and would read another feature inside of it"
    )
    raise SpecError(Problem(message, hint="a number in its place can be written there", code="E214"))


def _with_numbers(spec: Spec) -> Spec:
    """The spec without uses and forms, with numbers for what their arguments read from the features around them.

    The outermost ones are written out first; then the graph is asked again, for what stands in them.
    """
    from vitdsl.elaborate.expand import expanded
    from vitdsl.spec import load
    from vitdsl.syntax.printer import dump_tree

    before, text = "", spec.dump()
    while text != before:
        spec = load(text)
        spec.graph()  # refuses at its place what does not fit; `observed` does not
        before, text = text, dump_tree(expanded(spec, spec.observed()))
    return spec


def _values(spec: str, given: dict[str, Any], origins: bool, as_json: bool) -> None:
    """Every value of the merged file, and who set it; nothing is validated."""
    from vitdsl.resolve.extends import resolve
    from vitdsl.validate import FILE

    tree = resolve(Path(spec), given, FILE)
    found = [
        {"path": format_path(path), "value": plain(value), **(_origin(tree, path) if origins else {})}
        for path, value in _leaves(tree, ())
    ]
    if as_json:
        print_json(found)
        return
    width = max((len(_pair(entry)) for entry in found), default=0)
    for entry in found:
        where = f"{entry['file']}:{entry['line']}" if entry.get("file") else ""
        echo(f"{_pair(entry):<{width}}  {where}".rstrip() if origins else _pair(entry))


def _pair(entry: Mapping[str, Any]) -> str:
    return f"{entry['path']}: {as_yaml(entry['value'])}"


def _origin(tree: Map, path: tuple[Segment, ...]) -> dict[str, Any]:
    mark = mark_of(tree, path)
    if mark is None:
        return {"file": None, "line": None, "column": None}
    return {"file": mark.source.name, "line": mark.line, "column": mark.column}


def _leaves(node: Any, path: tuple[Segment, ...]) -> Iterator[tuple[tuple[Segment, ...], Any]]:
    """Paths and values of a tree, empty mappings and lists included."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(node, list) and node and any(isinstance(entry, (Mapping, list)) for entry in node):
        for index, value in enumerate(node):
            yield from _leaves(value, (*path, index))
    else:
        yield path, node


def _axes(spec: Spec, size: int | tuple[int, int] | None, as_json: bool) -> None:
    """Every mixer and dynamic convolution on the axes on which they differ."""
    from vitdsl.graph.axes import axes

    found = axes(spec.graph(size))
    if as_json:
        print_json(found)
        return
    if not found:
        echo("there is no mixer and no dynamic convolution in this spec")
        return
    columns = list(dict.fromkeys(key for row in found for key in row))
    print_table(columns, [[str(row.get(key, "")) for key in columns] for row in found])


def _paths(spec: Spec, as_json: bool) -> None:
    """Written paths and the module paths that they become."""
    from vitdsl.graph.paths import paths

    found = list(paths(spec))
    if as_json:
        print_json([{"written": written, "module": module} for written, module in found])
    else:
        print_table(("written", "module"), found)
