"""The command line: one file a command, imported when the command is run.

Exit codes: 0 done, 1 the input is wrong, 2 the call is wrong, 3 our fault. Errors go to stderr.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vitdsl import __version__
from vitdsl.checkpoints.errors import CheckpointError
from vitdsl.errors import SpecError

COMMANDS = (
    "build",
    "check",
    "show",
    "list",
    "new",
    "schema",
    "convert",
    "predict",
    "space",
    "sample",
    "replay",
    "search",
)
"""Each is a module of this folder, with a function `run`, or an `app` of several commands.

(So `list`, once it is loaded, is not Python's here.)
"""
PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}
WRONG_INPUT, OUR_FAULT, INTERRUPTED = 1, 3, 130


class Commands(TyperGroup):
    """The group of commands, each loaded when it is named."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of the help."""
        return [*COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"vitdsl.cli.{cmd_name}")
        app = getattr(module, "app", None)
        if app is None:
            app = typer.Typer(**PLAIN)
            app.command(name=cmd_name)(module.run)
        return typer.main.get_command(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vitdsl {__version__}")
        raise typer.Exit


def _vitdsl(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Vision architectures as short YAML files: check them, look at them, build them as torch modules."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: what stands after `vitdsl`; by default that of this process.

    Returns:
        The exit code.
    """
    app = typer.Typer(cls=Commands, no_args_is_help=True, callback=_vitdsl, **PLAIN)
    given = None if arguments is None else [*arguments]
    try:
        typer.main.get_command(app).main(args=given, prog_name="vitdsl")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except (SpecError, CheckpointError) as error:
        typer.echo(str(error), err=True)
        return WRONG_INPUT
    except OSError as error:
        typer.echo(f"{error.filename or 'file'}: {error.strerror or error}", err=True)
        return WRONG_INPUT
    except Exception as error:
        return _report(error)
    return 0


def _report(error: Exception) -> int:
    """Says that it is our fault, and what we need to mend it."""
    if os.environ.get("VITDSL_TRACEBACK") == "1":
        traceback.print_exc(file=sys.stderr)
    typer.echo(
        f"vitdsl {__version__} failed: {type(error).__name__}: {error}\n"
        "  This is our fault, not that of your file. Please report it with the file, the command,\n"
        "  and what the same command prints with VITDSL_TRACEBACK=1 set before it.",
        err=True,
    )
    return OUR_FAULT
