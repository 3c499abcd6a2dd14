"""`vitdsl schema`: the JSON schema that editors complete and check specs with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vitdsl.cli.options import AsJson, to_write
from vitdsl.cli.output import echo
from vitdsl.resolve.files import write_text


def run(
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the JSON schema of spec files, with the installed parts.

    In an editor with yaml-language-server: write it to a file, and begin a spec with the line
    `# yaml-language-server: $schema=FILE`.
    """
    from vitdsl.validate.json_schema import schema

    to_write(output, "--output", ".json")
    text = json.dumps(schema(), indent=None if output else 2, ensure_ascii=False)
    if output is None:
        echo(text)
        return
    write_text(output, f"{text}\n")
    echo(json.dumps({"written": str(output)}) if as_json else f"schema written to {output}")
