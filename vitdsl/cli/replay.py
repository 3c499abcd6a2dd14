"""`vitdsl replay`: a spec again, from its space and its log of decisions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from vitdsl.cli.options import AsJson, Settings, SpaceName, load_space, to_write
from vitdsl.cli.output import print_json
from vitdsl.cli.sample import decisions_of, text_of
from vitdsl.resolve.files import write_text


def run(
    space: SpaceName,
    decisions: Annotated[Path, typer.Argument(metavar="FILE", help="A drawn spec, or its decisions as JSON.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it to a file.")] = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Build the spec of a log of decisions anew from its space."""
    to_write(output, "--output", ".yaml")
    found = load_space(space, set_)
    spec = found.replay(_read(decisions))
    text = text_of(spec, f"{found.name}_{spec.hash[:8]}")
    if output is not None:
        write_text(output, text)
    if as_json:
        print_json({"hash": spec.hash, "decisions": spec.decisions})
    elif output is None:
        typer.echo(text, nl=False)


def _read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    try:
        found = json.loads(text) if path.suffix == ".json" else decisions_of(text)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"'{path}' holds no JSON: {error}", param_hint="FILE") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"'{path}' holds no decisions: `vitdsl sample` writes them", param_hint="FILE")
    return found
