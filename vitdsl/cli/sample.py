"""`vitdsl sample`: ordinary specs, drawn from a space."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitdsl.cli.options import AsJson, Settings, SpaceName, load_space
from vitdsl.cli.output import macs, print_json
from vitdsl.errors import Problem, SpecError
from vitdsl.resolve.files import write_text

if TYPE_CHECKING:
    from vitdsl.space.space import Space
    from vitdsl.spec import Spec

MARK = "# decisions: "
"""Begins the line of a drawn spec that holds its decisions, as JSON."""
TRIES = 1_000
"""Draws in a row that may be refused before it is said that none fits."""


def run(
    space: SpaceName,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many specs, each another one.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same specs.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write them to a folder.")
    ] = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Draw specs from a space: each decision by lot; what does not fit together is drawn again."""
    found = load_space(space, set_)
    if found.size is not None and count > found.size:
        raise typer.BadParameter(f"{found.name} has {found.size:,} architectures", param_hint="--count")
    rows: list[dict[str, Any]] = []
    for spec in _drawn(found, count, random.Random(seed)):
        name = f"{found.name}_{spec.hash[:8]}"
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            write_text(output / f"{name}.yaml", text_of(spec, name))
        elif not as_json:
            typer.echo(f"{'---' if rows else ''}\n{text_of(spec, name)}".lstrip("\n"), nl=False)
        costs = spec.analyze()
        rows.append({"name": name, "decisions": spec.decisions, "params": costs.params, "macs": costs.macs})
        if output is not None and not as_json:
            typer.echo(f"{output / name}.yaml  {costs.params:,} parameters  {macs(costs.macs)}")
    if as_json:
        print_json(rows)


def _drawn(space: Space, count: int, rng: random.Random) -> Iterator[Spec]:
    seen: set[str] = set()
    failed, fault = 0, None
    while len(seen) < count:
        try:
            spec = space.sample(rng)
            spec.analyze()
        except SpecError as error:
            failed, fault = failed + 1, error
        else:
            failed += spec.hash in seen
            if spec.hash not in seen:
                seen.add(spec.hash)
                failed = 0
                yield spec
        if failed >= TRIES:
            raise SpecError([_exhausted(space, len(seen)), *(fault.problems[:1] if fault else [])])


def _exhausted(space: Space, found: int) -> Problem:
    message = f"{TRIES:,} draws in a row gave no other architecture that fits; {found:,} were found"
    return Problem(message, mark=space.spec.tree.pos)


def text_of(spec: Spec, name: str) -> str:
    """A drawn spec as a file, its decisions in a comment."""
    tree = {"name": name, **{key: value for key, value in spec.tree.items() if key != "name"}}
    from vitdsl.syntax.printer import dump_tree

    return f"{MARK}{json.dumps(spec.decisions)}\n{dump_tree(tree)}"


def decisions_of(text: str) -> dict[str, Any] | None:
    """The decisions that the comment of a drawn spec says, or None where there are none."""
    line = next((line for line in text.splitlines() if line.startswith(MARK)), None)
    return None if line is None else json.loads(line.removeprefix(MARK))
