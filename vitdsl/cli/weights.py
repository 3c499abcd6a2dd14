"""`--weights` and the options beside it: whose weights a model gets; and `vitdsl convert`, which renames weights."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from vitdsl.cli.options import AsJson, Settings, image_size, to_write
from vitdsl.cli.output import echo, print_json
from vitdsl.cli.specs import load_spec
from vitdsl.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.compiler.model import VisionModel
    from vitdsl.spec import Spec

WeightsName = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE|NAME",
        help="Weights: .safetensors, .pth, a saved model's folder; official, timm, torchvision: downloaded.",
    ),
]
LayoutName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Whose keys the weights have: official, timm, ours, …, or a table; else found by the keys.",
    ),
]
Partial = Annotated[bool, typer.Option("--partial", help="Take what fits of the weights of another spec.")]
Container = Annotated[
    str | None, typer.Option(metavar="KEY", help="Which state dict of the file: model_ema, …, where it holds several.")
]
WeightsSize = Annotated[
    str | None,
    typer.Option("--weights-size", metavar="H[xW]", help="Image size that the weights are for, if they do not say it."),
]


class WeightsOptions(NamedTuple):
    """What the options say.

    Attributes:
        weights: a file, or the name of a layout in which published weights are known.
        layout: whose names the weights have: a name, or the path of a table.
        partial: whether what fits is taken of another spec's.
        channels: how the first convolution is fitted.
        base: the shipped spec that the weights are for, where the spec does not say it.
        container: which state dict of the file.
        weights_size: of the images that the weights are for, as text.
    """

    weights: Path | None
    layout: str | None = None
    partial: bool = False
    channels: str | None = None
    base: str | None = None
    container: str | None = None
    weights_size: str | None = None


class LocalWeights(NamedTuple):
    """Weights that are here, in the layout that is known of them, and what was done to have them."""

    tensors: Mapping[str, Tensor]
    layout: str | None
    done: dict[str, str]


def check_weights(options: WeightsOptions) -> None:
    """Refuses what says something of weights where there are none, or contradicts itself."""
    from vitdsl.checkpoints.fitting import CHANNELS

    image_size(options.weights_size, "--weights-size")
    beside = {f"--{name.replace('_', '-')}": value for name, value in options._asdict().items() if name != "weights"}
    for option, value in beside.items():
        if options.weights is None and value not in (None, False):
            raise typer.BadParameter("it says how --weights are read, but there is no --weights", param_hint=option)
    if options.channels is not None and options.channels not in CHANNELS:
        raise typer.BadParameter(f"'{options.channels}' is not one of {', '.join(CHANNELS)}", param_hint="--channels")
    weights = options.weights
    if weights is not None and is_published(weights) and options.layout not in (None, str(weights)):
        raise typer.BadParameter(f"the {weights} weights have the layout {weights}", param_hint="--layout")


def is_published(weights: Path) -> bool:
    """Whether it is no file, but the name of weights that are published."""
    from vitdsl.checkpoints.sources import LAYOUTS

    return str(weights) in LAYOUTS


def find_weights(spec: Spec, options: WeightsOptions) -> LocalWeights | None:
    """The weights that the options name, downloaded where they are published; None: they name none.

    Raises:
        CheckpointError: they cannot be had, or are damaged.
    """
    from vitdsl.checkpoints.files import read_weights
    from vitdsl.checkpoints.sources import LAYOUTS, fetch, source_of
    from vitdsl.exporting.hub import weights_in
    from vitdsl.resolve.files import shipped

    if options.weights is None:
        return None
    path, layout, done = options.weights, options.layout, {}
    if is_published(path):
        layout = str(path)
        near = next((name for name in spec.names if (shipped() / f"{name}.yaml").is_file()), spec.name)
        path, done["fetched"] = fetch(source_of(options.base or near, layout))
    if path.is_dir():
        path = weights_in(path)
    if not path.suffix and not path.exists():
        names = ", ".join(LAYOUTS)
        raise CheckpointError(
            f"{path}: there is no such file, and published weights have other names: {names}.", code="E709"
        )
    return LocalWeights(read_weights(path, container=options.container).tensors, layout, done)


def fill(model: VisionModel, weights: LocalWeights | None, options: WeightsOptions) -> dict[str, str]:
    """Fills a model; says what was done.

    Raises:
        CheckpointError: the weights do not fit.
    """
    from vitdsl.api import load_weights

    if weights is None:
        return {}
    size = image_size(options.weights_size, "--weights-size")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = load_weights(
            model, weights.tensors, weights.layout, options.partial, options.channels, options.base, size=size
        )
    for warning in caught:
        echo(f"warning: {warning.message}", err=True)
    return {**weights.done, "weights": str(report)}


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights: .safetensors, or .pth.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="The .safetensors file to write.")],
    spec: Annotated[str, typer.Option("--spec", metavar="SPEC", help="The spec whose weights they are.")],
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME|FILE", help="Layout of the file; else found by its keys."),
    ] = None,
    target: Annotated[str, typer.Option("--to", metavar="NAME|FILE", help="Layout to write.")] = "ours",
    container: Container = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Rename and rearrange weights: from other libraries, and back.

    Layouts are official, timm, torchvision, huggingface, ours, or a table of keys.
    """
    from vitdsl import api
    from vitdsl.checkpoints.files import read_weights, write_weights

    to_write(output, "--output", ".safetensors")
    known = load_spec(spec, set_)
    state = api.convert(read_weights(file, container=container).tensors, known, layout=source, to=target)
    write_weights(output, state)
    if as_json:
        print_json({"written": str(output), "tensors": len(state), "from": source, "to": target})
    else:
        echo(f"{len(state)} tensors written to {output}")
