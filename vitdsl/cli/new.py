"""`vitdsl new` and `vitdsl schema`: a spec to start from, and what editors complete and check specs with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vitdsl.cli.options import AsJson, to_write
from vitdsl.cli.output import echo
from vitdsl.resolve.files import write_text
from vitdsl.syntax.names import title_fault

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
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The file; by default NAME.yaml. `-` prints it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a commented spec to start from: a small ViT."""
    if fault := title_fault(name):
        raise typer.BadParameter(f"a spec {fault}", param_hint="NAME")
    text = START.format(name=name, schema=SCHEMA)
    if output == Path("-"):
        echo(json.dumps({"text": text}) if as_json else text, nl=as_json)
        return
    path = Path(f"{name}.yaml") if output is None else output
    to_write(path, "--output", ".yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise typer.BadParameter(f"'{path}' is there already: `-o FILE` writes another", param_hint="NAME") from None
    echo(json.dumps({"written": str(path)}) if as_json else f"{path} written; next: vitdsl check {path}")


def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a file.")] = None,
    recipe: Annotated[bool, typer.Option("--recipe", help="Of recipes, in place of specs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the JSON schema of spec files, or of recipes (`--recipe`).

    In an editor with yaml-language-server: write it to a file, and begin a spec with the line
    `# yaml-language-server: $schema=FILE`.
    """
    to_write(output, "--output", ".json")
    if recipe:
        from vitdsl.training.json_schema import recipe_schema as write
    else:
        from vitdsl.validate.json_schema import schema as write
    text = json.dumps(write(), indent=None if output else 2, ensure_ascii=False)
    if output is None:
        echo(text)
        return
    write_text(output, f"{text}\n")
    echo(json.dumps({"written": str(output)}) if as_json else f"schema written to {output}")
