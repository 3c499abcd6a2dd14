"""`vitdsl draw`: an architecture as a figure, a page or a Mermaid diagram."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vitdsl.cli.options import AsJson, ImageSize, Settings, SpecName, image_size, to_write
from vitdsl.cli.output import echo, print_json
from vitdsl.cli.specs import load_spec


class Heat(StrEnum):
    """What colours stand for."""

    macs = "macs"
    params = "params"
    activations = "activations"


def run(
    spec: SpecName,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="A figure (.svg), a page (.html) or Mermaid (.md)."),
    ],
    heat: Annotated[
        Heat, typer.Option(help="What the colours of a figure stand for; a page lets one choose.")
    ] = Heat.macs,
    size: ImageSize = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Draw the architecture as a figure, a page or Mermaid."""
    given = image_size(size)
    from vitdsl.pictures.drawing import ENDINGS, draw

    to_write(output, "--output", *ENDINGS)
    draw(load_spec(spec, set_), output, given, heat.value)
    print_json({"written": str(output)}) if as_json else echo(f"drawn to {output}")
