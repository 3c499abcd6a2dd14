"""`vitdsl space`, `sample` and `replay`: a spec with holes, specs drawn from it, and one of them again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitdsl.cli.options import AsJson, Settings, to_write
from vitdsl.cli.output import echo, print_json, print_table
from vitdsl.cli.specs import settings
from vitdsl.errors import Problem, SpecError
from vitdsl.resolve.files import shipped, write_text
from vitdsl.space.counting import LONG, count_text
from vitdsl.space.space import Space
from vitdsl.syntax.holes import Numbers
from vitdsl.syntax.names import file_name
from vitdsl.syntax.printer import as_yaml, dump_tree
from vitdsl.units import format_macs

if TYPE_CHECKING:
    from vitdsl.spec import Spec

SpaceName = Annotated[str, typer.Argument(metavar="SPACE", help="A spec with holes: a file, or a shipped space.")]
MARK = "# decisions: "
"""Begins the line of a drawn spec that holds its decisions, as JSON."""
TRIES = 1_000
"""Draws in a row that may be refused before it is said that none fits."""
LISTED = 1_000
"""Numbers of a range that JSON lists; a longer one is given by its ends."""


def show_space(
    space: Annotated[str | None, typer.Argument(metavar="SPACE", help="A file, or a shipped space.")] = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Print the decisions of a space, or list the shipped spaces.

    With the decisions comes the number of architectures.
    """
    if space is None:
        _list(as_json)
        return
    found = Space(Path(space), settings(set_))
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
    echo(f"\n{found.name}: {len(rows)} decisions, {size}")


def _list(as_json: bool) -> None:
    spaces = [Space(path.stem) for path in sorted(shipped("spaces").glob("*.yaml"))]
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


# ---------------------------------------------------------------- specs drawn from a space


def sample(
    space: SpaceName,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many specs, each another one.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same specs.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write them to a folder.")
    ] = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Draw specs from a space at random.

    What does not fit together is drawn again.
    """
    found = Space(Path(space), settings(set_))
    if found.size is not None and count > found.size:
        raise typer.BadParameter(f"{found.name} has {found.size:,} architectures", param_hint="--count")
    rows: list[dict[str, Any]] = []
    for spec in _drawn(found, count, random.Random(seed)):
        name = file_name(found.name, f"_{spec.hash[:8]}")
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            write_text(output / f"{name}.yaml", text_of(spec, name))
        elif not as_json:
            echo(f"{'---' if rows else ''}\n{text_of(spec, name)}".lstrip("\n"), nl=False)
        costs = spec.analyze()
        rows.append({"name": name, "decisions": spec.decisions, "params": costs.params, "macs": costs.macs})
        if output is not None and not as_json:
            echo(f"{output / name}.yaml  {costs.params:,} parameters  {format_macs(costs.macs)}")
    if as_json:
        print_json(rows)


def _drawn(space: Space, count: int, rng: random.Random) -> Iterator[Spec]:
    hashes: set[str] = set()
    failed, fault = 0, None
    while len(hashes) < count:
        try:
            spec = space.sample(rng)
            spec.analyze()
        except SpecError as error:
            failed, fault = failed + 1, error
        else:
            failed += spec.hash in hashes
            if spec.hash not in hashes:
                hashes.add(spec.hash)
                failed = 0
                yield spec
        if failed >= TRIES:
            raise SpecError([_exhausted(space, len(hashes)), *(fault.problems[:1] if fault else [])])


def _exhausted(space: Space, found: int) -> Problem:
    message = f"{TRIES:,} draws in a row gave no other architecture that fits; {found:,} were found"
    return Problem(message, mark=space.spec.tree.pos, code="E906")


def text_of(spec: Spec, name: str) -> str:
    """A drawn spec as a file, its decisions in a comment."""
    tree = {"name": name, **{key: value for key, value in spec.tree.items() if key != "name"}}
    return f"{MARK}{json.dumps(spec.decisions)}\n{dump_tree(tree)}"


def decisions_of(text: str) -> dict[str, Any] | None:
    """The decisions that the comment of a drawn spec says, or None where there are none."""
    line = next((line for line in text.splitlines() if line.startswith(MARK)), None)
    return None if line is None else json.loads(line.removeprefix(MARK))


def replay(
    space: SpaceName,
    decisions: Annotated[Path, typer.Argument(metavar="FILE", help="A drawn spec, or its decisions as JSON.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it to a file.")] = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Build a drawn spec again from its space and its decisions."""
    to_write(output, "--output", ".yaml")
    found = Space(Path(space), settings(set_))
    spec = found.replay(_decisions_in(decisions))
    text = text_of(spec, file_name(found.name, f"_{spec.hash[:8]}"))
    if output is not None:
        write_text(output, text)
    if as_json:
        print_json({"hash": spec.hash, "decisions": spec.decisions})
    elif output is None:
        echo(text, nl=False)


def _decisions_in(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    try:
        found = json.loads(text) if path.suffix == ".json" else decisions_of(text)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"'{path}' holds no JSON: {error}", param_hint="FILE") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"'{path}' holds no decisions: `vitdsl sample` writes them", param_hint="FILE")
    return found
