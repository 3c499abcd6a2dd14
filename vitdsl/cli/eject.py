"""`vitdsl eject`: a model as one Python file that needs torch alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitdsl.cli.options import AsJson, ImageSize, Settings, SpecName, image_size, to_write
from vitdsl.cli.output import echo, print_json
from vitdsl.cli.specs import load_spec
from vitdsl.resolve.files import write_text


def run(
    spec: SpecName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The .py file to write.")
    ] = None,
    size: ImageSize = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Write the model as one Python file that needs torch alone."""
    to_write(output, "--output", ".py")
    known = load_spec(spec, set_)
    from vitdsl.compiler.eject import eject

    text = eject(known, image_size(size))
    if output is None:
        echo(text)
        return
    write_text(output, text)
    lines = len(text.splitlines())
    print_json({"written": str(output), "lines": lines}) if as_json else echo(f"{lines} lines written to {output}")
