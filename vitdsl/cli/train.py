"""`vitdsl train`: a recipe trains a model; and `vitdsl eval`: how good weights are on a data set."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from vitdsl.cli.options import AsJson, Settings, SpecName
from vitdsl.cli.output import echo, print_json, print_table
from vitdsl.cli.specs import load_spec, settings
from vitdsl.cli.weights import (
    Container,
    LayoutName,
    Partial,
    WeightsOptions,
    WeightsSize,
    check_weights,
    fill,
    find_weights,
)
from vitdsl.errors import InputError, Problem
from vitdsl.syntax.names import file_name
from vitdsl.training import INSTALL

DataName = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="DATA", help="digits, a folder of images by class, cifar10:DIR, imagenet:DIR, hf:NAME."
    ),
]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Processes that load images, of each device.")]
Accelerator = Annotated[str, typer.Option("--device", help="auto, cpu, gpu: what it runs on.")]
Unreadable = Annotated[
    Literal["error", "skip"], typer.Option("--corrupt", help="What happens where a photo cannot be read.")
]


def run(
    spec: SpecName,
    recipe: Annotated[str, typer.Option("--recipe", metavar="RECIPE", help="A recipe: a file, or a shipped name.")],
    data: DataName = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="The folder; by default runs/SPEC-RECIPE.")
    ] = None,
    set_: Settings = None,
    recipe_set: Annotated[
        list[str] | None,
        typer.Option("--recipe-set", metavar="PATH=VALUE", help="Put a value into the recipe, as `epochs=10`."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE|NAME", help="Weights to begin with: a file, or official, timm, …: downloaded."),
    ] = None,
    layout: LayoutName = None,
    partial: Partial = False,
    container: Container = None,
    weights_size: WeightsSize = None,
    device: Accelerator = "auto",
    devices: Annotated[int, typer.Option("--devices", min=1, help="Devices of one machine.")] = 1,
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="Machines; start the command on each.")] = 1,
    precision: Annotated[
        Literal["32", "bf16", "16"], typer.Option("--precision", help="Bits of a number; weights have 32.")
    ] = "32",
    accumulate: Annotated[
        int, typer.Option("--accumulate", min=1, help="Parts in which a batch is computed, one after another.")
    ] = 1,
    workers: Workers = 0,
    corrupt: Unreadable = "error",
    as_json: AsJson = False,
) -> None:
    """Train a model; the same command again goes on where it stopped.

    Weights, measures, a picture of them and a page are written into the folder.
    """
    options = WeightsOptions(weights, layout, partial, container=container, weights_size=weights_size)
    check_weights(options)
    check_installed()
    from vitdsl.training.progress import Progress
    from vitdsl.training.recipe import load_recipe
    from vitdsl.training.run import Hardware, train

    known = load_spec(spec, set_)
    how = load_recipe(Path(recipe), settings(recipe_set))
    folder = output or Path("runs") / file_name(f"{known.name}-{how.name}", "")
    found = find_weights(known, options)
    hardware = Hardware(devices, nodes, device, precision, accumulate, workers)
    result = train(
        known, how, folder, data, hardware=hardware, corrupt=corrupt, callbacks=(Progress(),), loggers=_loggers(folder),
        initialize=lambda model: _say("\n".join(fill(model, found, options).values())) if found else None,
    )  # fmt: skip
    if _is_first():
        if found and result.resumed:
            echo("this training goes on with its own weights: `--weights` changes nothing", err=True)
        _print_result(result, how.file.epochs, as_json)
    if devices * nodes > 1:
        _leave()


def _is_first() -> bool:
    """Whether this process speaks: of several that train together, one does."""
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "NODE_RANK"))


def _say(text: str) -> None:
    if _is_first():
        echo(text, err=True)


def _leave() -> NoReturn:
    """Ends this process at once.

    The C++ side of DDP keeps threads beyond the end of its group, and an interpreter that winds up beside them is now
    and then ended by SIGABRT (torch 2.14).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _loggers(folder: Path) -> tuple[Any, ...]:
    """TensorBoard's logs in the folder of a training, where it is installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return ()
    from lightning.pytorch.loggers import TensorBoardLogger

    return (TensorBoardLogger(folder, name="logs", version=""),)


def _print_result(result: Any, epochs: int, as_json: bool) -> None:
    from vitdsl.training.history import accuracy_of

    best = max(result.history, key=accuracy_of)
    for note in result.notes:
        echo(note, err=True)
    if as_json:
        files = sorted(path.name for path in result.folder.iterdir())
        print_json({"folder": str(result.folder), "best": best, "last": result.history[-1], "files": files})
        return
    if result.resumed >= epochs:
        echo("this training was complete already; `--recipe-set epochs=N -o DIR` trains another one")
    echo(f"accuracy {100 * accuracy_of(best):.2f}% after epoch {best['epoch']:.0f} of {len(result.history)}")


def evaluate(
    spec: SpecName,
    weights: Annotated[
        Path, typer.Option(metavar="FILE|NAME", help="Weights: a file, or official, timm, torchvision: downloaded.")
    ],
    data: Annotated[
        str, typer.Option("--data", metavar="DATA", help="digits, a folder, cifar10:DIR, imagenet:DIR, hf:NAME.")
    ],
    layout: LayoutName = None,
    container: Container = None,
    weights_size: WeightsSize = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at once.")] = 64,
    device: Accelerator = "auto",
    workers: Workers = 0,
    corrupt: Unreadable = "error",
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate weights on the images of a data set that are for that.

    Of a data set without such images, those are taken that `vitdsl train` leaves out.
    """
    options = WeightsOptions(weights, layout, container=container, weights_size=weights_size)
    check_weights(options)
    check_installed()
    from vitdsl.compiler.build import build
    from vitdsl.training.evaluation import evaluate as measure

    known = load_spec(spec, set_)
    model = build(known, device="meta", training_outputs=False).eval()
    done = fill(model, find_weights(known, options), options)
    found = measure(model, data, batch=batch, device=device, workers=workers, corrupt=corrupt)
    if as_json:
        print_json({**done, **found})
        return
    rows = [(name.replace("_", " "), f"{100 * value:.2f}%" if "accuracy" in name else f"{value:,.4g}")
            for name, value in found.items()]  # fmt: skip
    print_table(("measure", data), rows, right=(data,))


def check_installed() -> None:
    """Refuses where what training needs is not installed."""
    missing = [name for name in ("lightning", "timm", "torchvision") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(Problem(f"training needs {', '.join(missing)}", hint=INSTALL, code="E601"))
