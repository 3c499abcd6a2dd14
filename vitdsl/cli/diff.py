"""`vitdsl diff`: what two specs differ in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitdsl.cli.options import AsJson, ImageSize, Settings, image_size, to_write
from vitdsl.cli.output import echo, print_json, print_table
from vitdsl.cli.specs import load_spec
from vitdsl.resolve.files import write_text

MOST = 40
"""More rows of a table are not printed."""
OwnSettings = list[str] | None


def run(
    a: Annotated[str, typer.Argument(metavar="A", help="A spec: a file, or the name of a shipped one.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one; A itself, with --set-b, is fine.")],
    set_: Settings = None,
    set_a: Annotated[OwnSettings, typer.Option("--set-a", metavar="PATH=VALUE", help="As --set, for A alone.")] = None,
    set_b: Annotated[OwnSettings, typer.Option("--set-b", metavar="PATH=VALUE", help="As --set, for B alone.")] = None,
    size: ImageSize = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a page: an .html file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two specs: what is written, graphs, costs and weights."""
    given = image_size(size)
    to_write(output, "--output", ".html")
    first, second = load_spec(a, [*(set_ or ()), *(set_a or ())]), load_spec(b, [*(set_ or ()), *(set_b or ())])
    from vitdsl.differences.compare import compare
    from vitdsl.differences.report import EQUAL, as_plain, headline, page, sections

    found = compare(first, second, given)
    if output is not None:
        write_text(output, page(found, first, second))
    if as_json:
        print_json({**as_plain(found, first, second), **({"written": str(output)} if output else {})})
        return
    if output is not None:
        echo(f"written to {output}")
        return
    echo(headline(first, second))
    if found.equal:
        echo(f"\n{EQUAL}")
        return
    for section in sections(found):
        echo(f"\n{section.title}{': ' if section.text else ''}{section.text}\n")
        if section.rows:
            print_table(section.columns, section.rows[:MOST], right=section.right)
        if len(section.rows) > MOST:
            echo(f"… and {len(section.rows) - MOST:,} more; --json and -o show all")
