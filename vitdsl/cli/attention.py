"""`vitdsl show --attention`: a picture of what the mixers of a model attend to in a photo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from vitdsl.cli.options import to_write
from vitdsl.cli.output import echo, print_json
from vitdsl.cli.photos import photo_opener
from vitdsl.cli.weights import WeightsOptions, check_weights, fill, find_weights
from vitdsl.errors import AttentionError, CheckpointError
from vitdsl.resolve.files import write_text, write_whole

if TYPE_CHECKING:
    from vitdsl.compiler.attention import AttentionMap
    from vitdsl.compiler.model import VisionModel
    from vitdsl.spec import Spec

RANDOM = "the weights are random, as there are no --weights: these maps show nothing that was learned"


class AttentionOptions(NamedTuple):
    """What the options of the picture say.

    Attributes:
        attention: the photo.
        output: the .svg or .png file to write.
        weights: a file, or the name of a layout in which published weights are known.
        layout: whose names the weights have.
        blocks: whose maps, as text.
        query: which position asks, as text.
    """

    attention: Path | None
    output: Path | None
    weights: Path | None
    layout: str | None
    blocks: str | None
    query: str | None


def check_options(options: AttentionOptions) -> None:
    """Refuses what says something of a picture where there is none, and a picture without a file."""
    if options.attention is None:
        for name, value in options._asdict().items():
            if value is not None:
                raise typer.BadParameter("it goes with --attention PHOTO", param_hint=f"--{name}")
        return
    if options.output is None:
        raise typer.BadParameter("it needs a file to write: -o FILE.svg, or FILE.png", param_hint="--attention")
    to_write(options.output, "--output", ".svg", ".png")
    check_weights(WeightsOptions(options.weights, options.layout))


def draw(spec: Spec, options: AttentionOptions, size: int | tuple[int, int] | None, as_json: bool) -> None:
    """Writes the picture, and says what is on it and what is not.

    Args:
        spec: of the model.
        options: checked.
        size: of the image, in place of the spec's.
        as_json: says it as JSON.
    """
    import torch

    from vitdsl.compiler.attention import attention_maps, in_words
    from vitdsl.compiler.build import build
    from vitdsl.pages.attention import ask, picture

    assert options.attention is not None
    assert options.output is not None
    weights = WeightsOptions(options.weights, options.layout)
    read = photo_opener("--attention")
    source = find_weights(spec, weights)
    model = build(spec, "cpu" if source is None else "meta", training_outputs=False, size=size).eval()
    at = _place(options.query, model.image_size)
    photo, image = read(options.attention, _framing(model))
    done = fill(model, source, weights)
    with torch.inference_mode():
        found = attention_maps(model, image[None], _blocks(options.blocks))
        rollout = _rollout(model, image[None])
    for each in found.maps:
        if not each.weights.isfinite().all():
            raise CheckpointError(
                f"the attention map of `{each.path}` is not finite; the model's weights are too large.", code="E604"
            )
    asked = [ask(each, at) for each in found.maps]
    left_out = in_words(found.left_out)
    height, width = model.image_size
    remarks = [f"image {height}x{width}, maps of {len(asked)} mixers", *left_out]
    rolled = rollout if isinstance(rollout, str) else ask(rollout, at)
    alarm = RANDOM.capitalize() if source is None else ""
    _write(options.output, picture(spec.name, photo, asked, rolled, remarks, alarm))
    no_rollout = rolled if isinstance(rolled, str) else None
    if as_json:
        maps = [{"module": each.path, "query": each.query, "drawn": each.over is not None, "notes": [*each.notes]}
                for each in asked]  # fmt: skip
        written = {"written": str(options.output), "random": source is None, **done}
        print_json({**written, "maps": maps, "left_out": found.left_out, "no_rollout": no_rollout})
        return
    for line in ([RANDOM] if source is None else []) + left_out + ([no_rollout] if no_rollout else []):
        echo(f"warning: {line}", err=True)
    for each in asked:
        if each.over is None:
            echo(f"warning: `{each.path}` is not drawn: {'; '.join(each.notes)}", err=True)
    echo(f"attention maps of {len(asked)} mixers written to {options.output}")


def _blocks(text: str | None) -> list[int | str] | None:
    """Numbers and paths, as `--blocks` gives them: `0,-1,stages.0.block.3`."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    return [int(word) if word.removeprefix("-").isdecimal() else word for word in words]


def _place(text: str | None, size: tuple[int, int]) -> tuple[float, float] | None:
    """The place of a pixel, from 0 to 1 downwards and to the right, as `--query` gives it: `y,x`."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    fits = len(words) == 2 and all(
        word.isdecimal() and int(word) < side for word, side in zip(words, size, strict=True)
    )
    if not fits:
        message = f"'{text}' is no pixel y,x of the image, which has {size[0]} rows and {size[1]} columns, from 0"
        raise typer.BadParameter(message, param_hint="--query")
    y, x = (int(word) for word in words)
    return (y + 0.5) / size[0], (x + 0.5) / size[1]


def _framing(model: VisionModel) -> Any:
    """From a photo to the image that the model sees, as a PIL image and as a tensor."""
    from vitdsl.preprocess import as_channels, framed, normalised, statistics

    given = model.spec.model.input
    try:
        mean, std = statistics(given)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="SPEC") from None

    def frame(photo: Any) -> tuple[Any, Any]:
        seen = framed(as_channels(photo, given.channels), model.image_size, given.crop, given.interpolation)
        return seen, normalised(seen, mean, std)

    return frame


def _rollout(model: VisionModel, images: Any) -> AttentionMap | str:
    """The attention rollout, or why there is none."""
    from vitdsl.compiler.rollout import attention_rollout

    try:
        return attention_rollout(model, images)
    except AttentionError as error:
        return error.problems[0].message


def _write(path: Path, scene: Any) -> None:
    from vitdsl.pages.scene import as_png, as_svg

    if path.suffix == ".svg":
        write_text(path, as_svg(scene))
        return
    with write_whole(path) as draft:
        draft.write_bytes(as_png(scene))
