"""The commands as typer runs them: their help, and the errors of wrong calls."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vitdsl import __version__
from vitdsl.cli.options import AsJson, Debug, Settings
from vitdsl.cli.output import echo
from vitdsl.errors import near

COMMANDS = {
    "build": "build.run",
    "check": "commands.check",
    "explain": "explain.run",
    "show": "show.run",
    "draw": "draw.run",
    "diff": "diff.run",
    "eject": "eject.run",
    "export": "export.run",
    "list": "list.run",
    "new": "new.run",
    "schema": "new.schema",
    "lsp": "editor.run",
    "convert": "weights.convert",
    "predict": "predict.run",
    "bench": "bench.run",
    "train": "train.run",
    "eval": "train.evaluate",
    "label": "label.run",
    "space": "space.show_space",
    "sample": "space.sample",
    "replay": "space.replay",
    "search": "search.app",
}
"""Each command, in the order of the help, and what runs it: a function of a file, or an app of several."""
PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 120},
}


class Commands(TyperGroup):
    """The group of commands, each loaded when it is named."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of the help."""
        return [*COMMANDS]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called; one that there is not is answered with the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            nearest, is_file = near(args[0], COMMANDS), args[0].endswith((".yaml", ".yml"))
            hint = f": did you mean '{nearest}'?" if nearest else f": `vitdsl check {args[0]}` checks a file"
            ctx.fail(f"there is no command '{args[0]}'{hint if nearest or is_file else ''}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        found = runner(cmd_name)
        if not isinstance(found, typer.Typer):
            app = typer.Typer(**PLAIN)
            app.command(name=cmd_name)(found)
            found = app
        return typer.main.get_command(found)


def runner(name: str) -> Any:
    """What runs a command."""
    file, _, function = COMMANDS[name].partition(".")
    return getattr(importlib.import_module(f"vitdsl.cli.{file}"), function)


def check(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help="Files, or names of shipped ones.")],
    set_: Settings = None,
    debug: Debug = False,
    as_json: AsJson = False,
) -> None:
    """Validate specs and infer every shape, without torch; or recipes."""
    from vitdsl.cli.check import diagnose

    if not diagnose(specs, set_, as_json, debug):
        raise typer.Exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        echo(f"vitdsl {__version__}")
        raise typer.Exit


def _vitdsl(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Vision architectures as short YAML files: check them, look at them, build them as torch modules."""


def run(arguments: list[str]) -> None:
    """Runs a command; raises SystemExit with its exit code."""
    app = typer.Typer(cls=Commands, no_args_is_help=True, callback=_vitdsl, **PLAIN)
    typer.main.get_command(app).main(args=arguments, prog_name="vitdsl")
