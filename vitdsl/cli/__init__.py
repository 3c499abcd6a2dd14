"""The command line: `commands` names the commands; the file of each is imported when it is run."""

from vitdsl.cli.main import main

__all__ = ["main"]
