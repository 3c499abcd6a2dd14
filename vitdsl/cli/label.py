"""`vitdsl label`: what a teacher says of every position of the photos that train."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitdsl.cli.options import AsJson, ImageSize, Settings, image_size, to_write
from vitdsl.cli.output import echo, print_json
from vitdsl.cli.specs import load_spec
from vitdsl.cli.train import Accelerator, Unreadable, Workers, check_installed
from vitdsl.cli.weights import Container, LayoutName, WeightsOptions, WeightsSize, check_weights, fill, find_weights
from vitdsl.training.data import VALIDATION
from vitdsl.training.kinds import TIMM
from vitdsl.units import format_measure

if TYPE_CHECKING:
    from vitdsl.training.label import Labelled, Labeller


def run(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="digits, a folder of images by class, cifar10:DIR, imagenet:DIR, …")
    ],
    teacher: Annotated[
        str, typer.Option("--teacher", metavar="SPEC|timm:NAME", help="What says it: a spec, or a model of timm.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The .safetensors file to write.")],
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE|NAME", help="The teacher's weights; those of timm:NAME are downloaded without it."),
    ] = None,
    layout: LayoutName = None,
    container: Container = None,
    weights_size: WeightsSize = None,
    size: ImageSize = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="Classes that are kept of each position; by default 5.")
    ] = None,
    validation: Annotated[
        float, typer.Option("--validation", help="Share that evaluates, as the recipe's `validation`; is not labelled.")
    ] = VALIDATION,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Photos at once.")] = 32,
    device: Accelerator = "auto",
    workers: Workers = 0,
    corrupt: Unreadable = "error",
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Make labels for every token, which the loss `token_labels` reads.

    The teacher's classifier is applied at every position of its last map, and the best classes are kept.
    """
    to_write(output, "--output", ".safetensors")
    if not 0 < validation < 1:
        raise typer.BadParameter(f"'{validation}' is not a share between 0 and 1", param_hint="--validation")
    options = WeightsOptions(weights, layout, container=container, weights_size=weights_size)
    check_weights(options)
    sides = image_size(size)
    wanted = (sides, sides) if isinstance(sides, int) else sides
    check_installed()
    if teacher.startswith(TIMM):
        found = _of_timm(teacher.removeprefix(TIMM), data, options, wanted, set_)
    else:
        found = _of_spec(teacher, options, wanted, set_)
    from vitdsl.training.label import label

    with _progress() as told:
        made = label(
            found, data, output, count=count, batch=batch, device=device, workers=workers, validation=validation,
            corrupt=corrupt, told=told,
        )  # fmt: skip
    _print_made(made, as_json)


def _of_timm(
    name: str, data: str, options: WeightsOptions, size: tuple[int, int] | None, texts: list[str] | None
) -> Labeller:
    from vitdsl.training.data import classes_in
    from vitdsl.training.label import timm_labeller

    if texts:
        raise typer.BadParameter("models of timm have no paths", param_hint="--set")
    for option, value in (("--layout", options.layout), ("--container", options.container)):
        if value is not None:
            raise typer.BadParameter("timm reads the weights of its models itself", param_hint=option)
    if options.weights is None:
        return timm_labeller(name, None, size)
    return timm_labeller(name, str(options.weights), size, classes_in(data))


def _of_spec(name: str, options: WeightsOptions, size: tuple[int, int] | None, texts: list[str] | None) -> Labeller:
    from vitdsl.compiler.build import build
    from vitdsl.training.label import labeller_of

    if options.weights is None:
        raise typer.BadParameter("a teacher that is a spec needs weights, or it knows nothing", param_hint="--weights")
    known = load_spec(name, texts)
    model = build(known, size=size, device="meta", training_outputs=False).eval()
    for text in fill(model, find_weights(known, options), options).values():
        echo(text, err=True)
    return labeller_of(model)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; elsewhere a line for every tenth of the photos."""
    if not sys.stderr.isatty():
        tenths = set[int]()

        def say(done: int, photos: int) -> None:
            tenth = 10 * done // photos
            if tenth not in tenths and tenth:
                tenths.add(tenth)
                echo(f"labelled {done:,} of {photos:,} photos", err=True)

        yield say
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, photos: bar.update(task, completed=done, total=photos)


def _print_made(made: Labelled, as_json: bool) -> None:
    header = made.header
    if as_json:
        print_json(
            {"written": str(made.file), **header._asdict(), "agreement": made.agreement, "skipped": made.skipped}
        )
        return
    grid, kept = "×".join(map(str, header.grid)), f"{header.count} of {header.classes} classes"
    echo(f"{header.photos:,} photos of {header.data}: {kept} at {grid} positions, as {header.teacher} sees them")
    if made.skipped:
        echo(f"{made.skipped:,} photos could not be read, and were skipped", err=True)
    echo(f"the teacher says the class of {100 * made.agreement:.1f}% of the photos")
    echo(f"{format_measure(header.size_of_file, 'bytes')} written to {made.file}")
