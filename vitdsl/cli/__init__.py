"""The command line: one file a command, imported when the command is run."""

from vitdsl.cli.entry import main

__all__ = ["main"]
