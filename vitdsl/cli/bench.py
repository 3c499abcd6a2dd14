"""`vitdsl bench`: how long models take, and how much memory, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from vitdsl.cli.options import AsJson, ImageSize, Settings, image_size
from vitdsl.cli.output import echo, print_json, print_table
from vitdsl.cli.specs import settings
from vitdsl.errors import InputError, Problem, first_line
from vitdsl.training import INSTALL
from vitdsl.units import format_measure

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vitdsl.timing import Quartiles

TIMM = "timm:"
BUSY = 0.1
"""Where the quartiles of a time lie further apart, as a part of the median, the machine was disturbed."""
COLUMNS = ("model", "time", "quartiles", "images/s", "peak memory", "ratio", "quartiles ")


class Contender(NamedTuple):
    """A model that is timed.

    Attributes:
        name: as the call has it.
        model: on the device, in the mode in which it is timed.
    """

    name: str
    model: nn.Module


def run(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help="Files, or names of shipped ones.")],
    against: Annotated[
        str | None, typer.Option(metavar="SPEC|timm:NAME", help="A model that each of them is compared with.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1.")] = "cpu",
    train: Annotated[bool, typer.Option("--train", help="Time a forward and a backward, in training mode.")] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="Time what torch.compile makes of them.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 8,
    size: ImageSize = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of torch; by default as many as it has.")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="How long each model is timed, at least.")] = 5,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Time models side by side, and measure their memory.

    They run in turn, with random weights, without stochastic depth, in float32.

    A ratio is the time of the model that is compared with, divided by that of the model: above 1 the model is faster.
    """
    import torch
    from torch.utils.benchmark.utils.common import set_torch_threads

    from vitdsl.search.evaluation.measuring import check_device, peak_bytes
    from vitdsl.timing import infer, keep_memory, load_of_machine, step, time_in_turn

    check_device(device)
    load, shape = load_of_machine(), image_size(size)
    found = [_ours(name, set_, shape) for name in specs]
    images = _images(found[0], batch).to(device)
    if against is not None:
        found.append(_timms(against, found[0]) if against.startswith(TIMM) else _ours(against, None, shape))
    found = [Contender(each.name, each.model.to(device).train(train)) for each in found]
    for each in found:
        _check(each, images, train)
    keep_memory()
    act: Callable[[nn.Module, Tensor], None] = step if train else infer
    with set_torch_threads(threads or torch.get_num_threads()):
        peaks = [peak_bytes(each.model, images, train) for each in found]
        timed: list[Any] = [torch.compile(each.model) if compiled else each.model for each in found]
        times = time_in_turn([partial(act, model, images) for model in timed], seconds * len(found), device)
        report = _settings(images, device, train, compiled, load, torch.get_num_threads())
    report["models"] = _rows(found, times, peaks, batch, against is not None)
    print_json(report) if as_json else _print(report)


def _ours(name: str, texts: list[str] | None, size: int | tuple[int, int] | None) -> Contender:
    """A model of ours, with new weights; stochastic depth is left out, as it spares a part of the work at random."""
    from vitdsl.compiler.build import build
    from vitdsl.spec import load

    spec = load(Path(name), {**settings(texts), "drop_path": None})
    return Contender(name, build(spec, size=size))


def _timms(name: str, beside: Contender) -> Contender:
    """A model of timm's, with new weights, for the images of one of ours."""
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise typer.BadParameter(f"it needs timm: {INSTALL}", param_hint="--against") from None
    known = name.removeprefix(TIMM)
    if not timm.is_model(known.partition(".")[0]):
        near = timm.list_models(f"*{known}*")[:3] if known.isidentifier() else []
        hint = f": there is {', '.join(near)}" if near else ""
        raise typer.BadParameter(f"timm has no model '{known}'{hint}", param_hint="--against")
    ours: Any = beside.model
    try:
        return Contender(name, timm.create_model(known, img_size=ours.image_size))
    except (TypeError, AssertionError, ValueError):  # it takes no size, since it takes any or one alone
        return Contender(name, timm.create_model(known))


def _images(contender: Contender, batch: int) -> Tensor:
    """Noise for a model, (B, C, H, W)."""
    import torch

    model: Any = contender.model
    shape = (batch, model.spec.model.input.channels, *model.image_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _check(contender: Contender, images: Tensor, train: bool) -> None:
    """Refuses a model that cannot take these images, before anything is timed."""
    from vitdsl.cli.main import is_out_of_memory
    from vitdsl.timing import infer

    try:
        infer(contender.model, images)
    except (RuntimeError, AssertionError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        message = f"`{contender.name}` cannot take images of {tuple(images.shape)}: {first_line(error)}"
        raise InputError(
            Problem(message, hint="another `--size`, or a larger `--batch` for batch norms", code="E602")
        ) from None


# ---------------------------------------------------------------- what is said


def _settings(
    images: Tensor, device: str, train: bool, compiled: bool, load: float | None, threads: int
) -> dict[str, Any]:
    """What the times hold for."""
    import platform

    import torch

    where = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.processor() or "CPU"
    return {
        "what": "training step" if train else "inference", "images": list(images.shape), "dtype": "float32",
        "device": device, "hardware": where, "threads": threads, "compiled": compiled, "torch": torch.__version__,
        "load": None if load is None else round(load, 2),
    }  # fmt: skip


def _rows(
    found: Sequence[Contender], times: Sequence[Sequence[float]], peaks: Sequence[int], batch: int, compared: bool
) -> list[dict[str, Any]]:
    """What was measured of each model."""
    from vitdsl.timing import quartiles, ratio

    rows = []
    for each, own, peak in zip(found, times, peaks, strict=True):
        measured = quartiles(own)
        row = {
            "name": each.name, "seconds": measured.middle, "seconds_q1": measured.low, "seconds_q3": measured.high,
            "rounds": len(own), "images_per_second": batch / measured.middle, "peak_bytes": peak,
            "disturbed": measured.spread > BUSY,
        }  # fmt: skip
        if compared and each is not found[-1]:
            beside: Quartiles = ratio(zip(times[-1], own, strict=True))
            row |= {"ratio": beside.middle, "ratio_q1": beside.low, "ratio_q3": beside.high}
        rows.append(row)
    return rows


def _print(report: dict[str, Any]) -> None:
    shape = "×".join(map(str, report["images"]))
    made = ", compiled" if report["compiled"] else ""
    threads = f"{report['threads']} thread{'s' if report['threads'] > 1 else ''}"
    where = f"{report['device']} ({report['hardware']}), {threads}"
    echo(f"{report['what']} of {shape} images in {report['dtype']}{made}, on {where}, torch {report['torch']}\n")
    print_table(COLUMNS, [_cells(row) for row in report["models"]], right=COLUMNS[1:])
    if report["load"] is not None and report["load"] > 1:
        echo(f"warning: the machine is busy: {report['load']:.1f} processes a core wanted to run before", err=True)
    shaky = [row["name"] for row in report["models"] if row["disturbed"]]
    if shaky:
        said = f"the quartiles of {', '.join(shaky)} lie more than {BUSY:.0%} apart"
        echo(f"warning: {said}: something else ran, or the clock changed; ratios suffer less than times", err=True)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    low, high = (format_measure(row[key], "seconds") for key in ("seconds_q1", "seconds_q3"))
    own = (
        row["name"],
        format_measure(row["seconds"], "seconds"),
        f"{low} – {high}",
        f"{row['images_per_second']:,.1f}",
    )
    beside = (f"{row['ratio']:.2f}", f"{row['ratio_q1']:.2f} – {row['ratio_q3']:.2f}") if "ratio" in row else ("", "")
    return (*own, format_measure(row["peak_bytes"], "bytes"), *beside)
