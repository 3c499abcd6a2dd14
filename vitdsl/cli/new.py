"""`vitdsl new`: a spec to start from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from vitdsl.cli.options import AsJson, Settings, to_write

SCHEMA = "vitdsl.schema.json"
START = """\
# yaml-language-server: $schema={schema}
# The line above lets editors complete and check this file; `vitdsl schema -o {schema}` writes that schema.
# `vitdsl check FILE` says what is wrong and where, `vitdsl show FILE` what it becomes, `vitdsl build FILE` builds it.
name: {name}

input: {{size: 224, channels: 3}}   # mean, std, crop and interpolation are those of ImageNet unless they are said
classes: 1000                     # 0 gives pooled features

vars: {{dim: 192, heads: 3}}        # named values, written $dim or $(2 * dim) below

stages:
  # A stage: how its tokens are made, learned tokens put in front, positions added, and a block that is repeated.
  - tokenizer: {{type: patch, size: 16, dim: $dim}}
    tokens: [cls]
    position: learned
    depth: 12
    block:
      # Each item is a branch: a norm before it, the sum with what came in behind it.
      - {{mixer: {{type: global, heads: $heads}}}}   # `vitdsl list --parts` names the other mixers
      - {{mlp: {{ratio: 4}}}}
    norm: layer

  # A second stage on half the grid; merging looks at the grid alone, so `carry` says what becomes of `cls`.
  # - tokenizer: merge
  #   carry: [{{linear: {{dim: $(2 * dim)}}}}]
  #   depth: 2
  #   block: [{{mixer: {{type: global, heads: $(2 * heads)}}}}, {{mlp: {{ratio: 4}}}}]

drop_path: {{rate: 0.1, schedule: linear}}

head: {{pool: cls}}                 # or mean
"""


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the new spec.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a file.")] = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Print a commented spec to start from: a small ViT."""
    if set_:
        raise typer.BadParameter("a new spec is a text to edit: write the values into it", param_hint="--set")
    if re.fullmatch(r"[A-Za-z_][\w-]*", name) is None:
        raise typer.BadParameter(f"'{name}' is not letters, digits, `_` and `-`", param_hint="NAME")
    to_write(output, "--output", ".yaml")
    text = START.format(name=name, schema=SCHEMA)
    if output is None:
        typer.echo(json.dumps({"text": text}) if as_json else text, nl=as_json)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise typer.BadParameter(f"'{output}' is there already", param_hint="--output") from None
    typer.echo(json.dumps({"written": str(output)}) if as_json else f"{output} written; next: vitdsl check {output}")
