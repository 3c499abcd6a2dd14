"""`vitdsl convert`: weights from one naming of their keys to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitdsl.cli.options import AsJson, Settings, load_spec, to_write
from vitdsl.cli.output import echo, print_json
from vitdsl.cli.weights import Container

OURS = "ours"
"""The layout of the modules that vitdsl builds."""


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights: .safetensors, or .pth.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="The .safetensors file to write.")],
    spec: Annotated[str, typer.Option("--spec", metavar="SPEC", help="The spec whose weights they are.")],
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME|FILE", help="Layout of the file; else told by its keys."),
    ] = None,
    target: Annotated[str, typer.Option("--to", metavar="NAME|FILE", help="Layout to write.")] = OURS,
    container: Container = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Rename and rearrange weights: official, timm, torchvision or huggingface to ours, and back."""
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
