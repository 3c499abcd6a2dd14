"""`vitdsl lsp`: the language server, which an editor starts."""

from __future__ import annotations

import importlib.util
import sys
from typing import Annotated

import typer

from vitdsl.cli.output import echo
from vitdsl.editor import INSTALL
from vitdsl.errors import InputError, Problem


def run(
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Speak over stdin and stdout, as always.", show_default=False)
    ] = True,
) -> None:
    """Serve an editor in which specs are written.

    It shows errors, fixes, hovers, shapes and completions. An editor starts this command and speaks to it over stdin
    and stdout, by the Language Server Protocol.
    """
    if importlib.util.find_spec("pygls") is None:
        raise InputError(Problem("the language server needs pygls", hint=INSTALL, code="E601"))
    if sys.stdin.isatty():
        echo("an editor starts this command; it waits for one, and Ctrl-C ends it", err=True)
    from vitdsl.editor.server import serve

    serve()
