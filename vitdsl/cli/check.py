"""`vitdsl check`: is a spec right? Nothing is built, and torch is not imported."""

from __future__ import annotations

from typing import Annotated

import typer

from vitdsl.cli.diagnosis import diagnose
from vitdsl.cli.options import AsJson, Debug, Settings


def run(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help="Files, or names of shipped specs.")],
    set_: Settings = None,
    debug: Debug = False,
    as_json: AsJson = False,
) -> None:
    """Validate specs and infer every shape, without torch."""
    if not diagnose(specs, set_, as_json, debug):
        raise typer.Exit(1)
