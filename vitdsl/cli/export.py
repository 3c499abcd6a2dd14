"""`vitdsl export`: a model as a file for ONNX Runtime or for torch alone, or its weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vitdsl.cli.options import AsJson, ImageSize, Settings, SpecName, image_size, to_write
from vitdsl.cli.output import echo, print_json
from vitdsl.cli.specs import load_spec
from vitdsl.cli.weights import (
    Container,
    LayoutName,
    Partial,
    WeightsName,
    WeightsOptions,
    WeightsSize,
    check_weights,
    fill,
    find_weights,
)
from vitdsl.errors import InputError, printable
from vitdsl.units import format_measure

if TYPE_CHECKING:
    from vitdsl.exporting.export import Exported, Tell


def run(
    spec: SpecName,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write: .onnx, .pt2 or .safetensors.")
    ],
    weights: WeightsName = None,
    layout: LayoutName = None,
    partial: Partial = False,
    container: Container = None,
    weights_size: WeightsSize = None,
    format: Annotated[
        Literal["onnx", "pt2", "safetensors"] | None, typer.Option("--format", help="What is written; else as -o ends.")
    ] = None,
    dynamic: Annotated[
        str | None, typer.Option(metavar="AXES", help="What may vary: batch, height, width; joined by commas.")
    ] = None,
    size: ImageSize = None,
    fold: Annotated[bool, typer.Option("--fold", help="Fold batch norms into the layers beside them.")] = False,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Write a model as ONNX, a torch program, or weights.

    What is written is compared with the model first: a file that does something else is not kept.
    """
    from vitdsl.exporting.names import check_axes, check_installed, format_of

    axes = tuple(filter(None, (dynamic or "").replace(" ", "").split(",")))
    with _called("--output"):
        kind = format_of(output, format)
    to_write(output, "--output", f".{kind}")
    with _called("--dynamic"):
        check_axes(axes, kind)
    options = WeightsOptions(weights, layout, partial, container=container, weights_size=weights_size)
    check_weights(options)
    check_installed(kind)
    known = load_spec(spec, set_)
    from vitdsl.compiler.build import build
    from vitdsl.exporting.export import export

    found = find_weights(known, options)
    model = build(known, "meta" if found else "cpu", size=image_size(size), training_outputs=False)
    done: dict[str, Any] = {**fill(model, found, options)}
    with _shown() as tell:
        result = export(model, output, kind, axes, fold=fold, tell=tell)
    if found is None:
        echo("there are no `--weights`: the file has those with which a training begins", err=True)
    print_json({**done, **_described(result)}) if as_json else _print(done, result)


@contextmanager
def _called(option: str) -> Iterator[None]:
    """Within, what is refused is a wrong call."""
    try:
        yield
    except InputError as error:
        (found,) = error.problems
        raise typer.BadParameter(f"{found.message}: {found.hint}", param_hint=option) from None


@contextmanager
def _shown() -> Iterator[Tell]:
    """Shows what is done: beside a moving sign on a terminal, else as lines."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda text: echo(text, err=True)
        return
    with console.status(Text("begins")) as status:
        yield lambda text: status.update(Text(printable(text)))


def _described(result: Exported) -> dict[str, Any]:
    return {
        "written": str(result.path), "format": result.format, "bytes": result.bytes, "opset": result.opset,
        "images": result.images, "compared_in": result.runner, "seconds": round(result.seconds, 2),
        "compared": [{"images": list(check.shape), "difference": check.difference} for check in result.checks],
    }  # fmt: skip


def _print(done: dict[str, str], result: Exported) -> None:
    for text in done.values():
        echo(text)
    opset = f", opset {result.opset}" if result.opset else ""
    size, took = format_measure(result.bytes, "bytes"), format_measure(result.seconds, "seconds")
    echo(f"{result.path} written: {result.format}{opset}, {size}, in {took}")
    if result.checks:
        images = ", ".join(f"{axis} {value}" for axis, value in result.images.items())
        echo(f"images: {images}")
    for check in result.checks:
        shape = "×".join(map(str, check.shape))
        echo(f"{result.runner} on {shape}: off by {check.difference:.1e} of the largest output")
