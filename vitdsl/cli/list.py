"""`vitdsl list`: the shipped specs, or the parts that a spec can name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vitdsl.cli.options import AsJson, Settings
from vitdsl.cli.output import print_json, print_table, short
from vitdsl.errors import SpecError


def run(
    parts: Annotated[bool, typer.Option("--parts", help="Parts and forms, with their fields.")] = False,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """List the shipped specs with their costs, or the parts that a spec can name."""
    if parts and set_:
        raise typer.BadParameter("it goes with specs, not with --parts", param_hint="--set")
    if parts:
        from vitdsl.cli.parts import describe_parts, print_parts

        found = describe_parts()
        (print_json if as_json else print_parts)(found)
        return
    rows, faults = [], []
    for name in _names():
        try:
            rows.append(_spec(name, set_))
        except SpecError as error:
            faults.append(error)
    if as_json:
        print_json(rows)
    else:
        columns = ("name", "parameters", "MACs", "paper: parameters", "MACs ", "title")
        print_table(columns, [_row(row) for row in rows], right=columns[1:5])
    for error in faults:
        typer.echo(str(error), err=True)
    if faults:
        raise typer.Exit(1)


def _names() -> list[str]:
    from vitdsl.resolve.files import shipped

    return sorted(path.stem for path in shipped().glob("*.yaml"))


def _spec(name: str, set_: list[str] | None) -> dict[str, Any]:
    from vitdsl.cli.options import load_spec

    spec = load_spec(name, set_)
    analysis = spec.analyze()
    paper = spec.model.paper or {}
    return {
        "name": name,
        "params": analysis.params,
        "macs": analysis.macs,
        "paper": {key: paper[key] for key in ("title", "arxiv", "params", "macs") if key in paper},
    }


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    paper = row["paper"]
    printed = [str(paper.get(key, "-")) for key in ("params", "macs", "title")]
    return (row["name"], f"{row['params']:,}", short(row["macs"]), *printed)
