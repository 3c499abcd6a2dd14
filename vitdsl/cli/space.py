"""`vitdsl space`: the decisions of a spec with holes, and how many architectures they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from vitdsl.cli.options import AsJson, Settings, load_space
from vitdsl.cli.output import print_json, print_table
from vitdsl.cli.words import as_yaml
from vitdsl.space.counting import LONG, count_text
from vitdsl.syntax.holes import Numbers

LISTED = 1_000
"""Numbers of a range that JSON lists; a longer one is given by its ends."""


def run(
    space: Annotated[str | None, typer.Argument(metavar="[SPACE]", help="A file, or a shipped space.")] = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Print the decisions of a space and the number of its architectures; without a name, the shipped spaces."""
    if space is None:
        _list(as_json)
        return
    found = load_space(space, set_)
    rows = [_decision(site) for site in found.sites.all]
    if as_json:
        print_json({"name": found.name, "hash": found.spec.hash, "size": _number(found.size), "decisions": rows})
        return
    cells = [
        (row["path"], _options(site.options), _asked(row)) for site, row in zip(found.sites.all, rows, strict=True)
    ]
    print_table(("decision", "options", "asked"), cells)
    size = "too many depend on one another to be counted"
    if found.size is not None:
        size = f"{count_text(found.size)} architectures"
        size += f" ({found.size:.2e})" if 10**6 <= found.size < LONG else ""
    typer.echo(f"\n{found.name}: {len(rows)} decisions, {size}")


def _list(as_json: bool) -> None:
    from vitdsl.resolve.files import shipped

    spaces = [load_space(path.stem) for path in sorted(shipped("spaces").glob("*.yaml"))]
    rows = [{"name": space.name, "decisions": len(space.sites.all), "size": space.size} for space in spaces]
    if as_json:
        print_json(rows)
        return
    cells = [(row["name"], str(row["decisions"]), count_text(row["size"])) for row in rows]
    print_table(("space", "decisions", "architectures"), cells, right=("decisions", "architectures"))


def _decision(site: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"path": site.spelled(), "each": site.each}
    if isinstance(site.options, Numbers) and len(site.options) > LISTED:
        row |= {"range": site.hole.raw["range"], "count": len(site.options)}
    else:
        row["options"] = list(site.options)
    if site.parent is not None:
        row["below"] = {"path": site.parent[0].spelled(), "option": str(site.parent[1])}
    if site.when is not None:
        when = site.hole.raw["when"]
        row["when"] = when if isinstance(when, bool) else when.text
    return row


def _number(size: int | None) -> int | str | None:
    """A number of architectures as JSON holds it: a text where no reader of JSON would take it as a number."""
    return size if size is None or size < LONG else count_text(size)


def _options(options: Sequence[Any]) -> str:
    if len(options) > 8:
        return f"{options[0]} … {options[-1]} ({len(options):,})"
    return ", ".join(as_yaml(option) for option in options)


def _asked(row: dict[str, Any]) -> str:
    """When a decision is asked for, and how often."""
    said = ["for each repetition"] if row["each"] else []
    if "below" in row:
        said.append(f"if {row['below']['path']} is {row['below']['option']}")
    if "when" in row:
        said.append(f"when {row['when']}")
    return ", ".join(said)
