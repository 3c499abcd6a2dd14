"""`vitdsl explain`: what the code of an error means, or all codes."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer

from vitdsl.cli.options import AsJson
from vitdsl.cli.output import echo, print_json
from vitdsl.errors.catalogue import explanation, explanations


def run(
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="The code, such as E201.")] = None,
    as_json: AsJson = False,
) -> None:
    """Explain an error by its code, or list all codes."""
    found = [*explanations().values()] if code is None else [explanation(code)]
    if as_json:
        print_json([each._asdict() for each in found])
    elif code is None:
        for group, entries in groupby(found, key=lambda each: each.group):
            echo("\n".join([group, *(f"  {each.code}  {each.title}" for each in entries), ""]))
        echo("`vitdsl explain CODE` explains one of them.")
    else:
        (each,) = found
        echo(f"{each.code}: {each.title}\n\n{each.text}")
