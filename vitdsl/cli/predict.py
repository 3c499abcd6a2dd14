"""`vitdsl predict`: what a model sees in photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitdsl.cli.options import AsJson, Settings, SpecName
from vitdsl.cli.output import print_json, print_table
from vitdsl.cli.photos import photo_opener
from vitdsl.cli.specs import load_spec
from vitdsl.cli.weights import Container, LayoutName, WeightsOptions, WeightsSize, check_weights, fill, find_weights
from vitdsl.errors import CheckpointError

if TYPE_CHECKING:
    from vitdsl.compiler.model import VisionModel

IMAGENET = 1000
COLUMNS = ("image", "probability", "class", "name")


def run(
    spec: SpecName,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photos: JPEG, PNG, …")],
    weights: Annotated[
        Path, typer.Option(metavar="FILE|NAME", help="Weights: a file, or official, timm, torchvision: downloaded.")
    ],
    layout: LayoutName = None,
    container: Container = None,
    weights_size: WeightsSize = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 5,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Name the most probable classes of photos.

    They are prepared as the spec's `input` says.
    """
    from vitdsl.compiler.build import build

    options = WeightsOptions(weights, layout, container=container, weights_size=weights_size)
    check_weights(options)
    known = load_spec(spec, set_)
    if not known.model.classes:
        raise typer.BadParameter(f"{known.name} has no classes", param_hint="SPEC")
    model = build(known, device="meta", training_outputs=False).eval()
    done: dict[str, Any] = {**fill(model, find_weights(known, options), options)}
    found = predictions(model, images, top)
    if as_json:
        print_json({**done, "images": found})
        return
    rows = [row for image in found for row in _rows(image)]
    print_table(COLUMNS, rows, right=COLUMNS[1:3])


def predictions(model: VisionModel, images: Sequence[Path], top: int = 5) -> list[dict[str, Any]]:
    """The most probable classes of each photo, most probable first.

    Args:
        model: in evaluation mode; its type is that in which the images are computed.
        images: files of photos.
        top: how many classes.

    Returns:
        For each photo its path as `image`, and `top`: index, name where it is known, logit and probability.
    """
    import torch

    prepare, name_of = _preparing(model), _names(model.spec.model.classes)
    kind = next(model.parameters())
    found = []
    for path in images:
        with torch.inference_mode():
            (logits_c,) = model(prepare(path)[None].to(kind))
        if not logits_c.isfinite().all():
            raise CheckpointError(f"{path}: the model's output is not finite; its weights are too large.", code="E604")
        shares_c = logits_c.softmax(0)
        best = logits_c.topk(min(top, len(logits_c))).indices.tolist()
        entries = [
            {"class": i, "name": name_of(i), "logit": logits_c[i].item(), "probability": shares_c[i].item()}
            for i in best
        ]
        found.append({"image": str(path), "top": entries})
    return found


def _preparing(model: VisionModel) -> Callable[[Path], Any]:
    """From a file to the model's image."""
    from vitdsl.preprocess import transform

    open_photo = photo_opener("IMAGE")
    try:
        apply = transform(model.spec)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="SPEC") from None
    return lambda path: open_photo(path, apply)


def _names(classes: int) -> Callable[[int], str | None]:
    """The names of ImageNet's classes, where there are a thousand and timm is installed."""
    try:
        from timm.data.imagenet_info import ImageNetInfo  # pyright: ignore[reportMissingImports]
    except ImportError:
        return lambda index: None
    return ImageNetInfo().index_to_description if classes == IMAGENET else lambda index: None


def _rows(image: dict[str, Any]) -> list[tuple[str, ...]]:
    """Lines of the table; the photo stands before its first class."""
    rows = [(f"{100 * best['probability']:.1f}%", str(best["class"]), best["name"] or "-") for best in image["top"]]
    return [(image["image"] if place == 0 else "", *row) for place, row in enumerate(rows)]
