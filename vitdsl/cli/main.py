"""Runs one command of the command line, and turns errors into exit codes.

Exit codes: 0 done, 1 the input is wrong or asks for more than this machine has, 2 the call is wrong, 3 our fault.
Errors go to stderr.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Sequence

from vitdsl import __version__
from vitdsl.cli.output import echo
from vitdsl.errors import InputError

WRONG_INPUT, OUR_FAULT, INTERRUPTED = 1, 3, 130

OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory|size calculation overflowed", re.I
)
"""How torch says in a RuntimeError that a tensor does not fit: on CPUs, on accelerators, and beyond 2⁶³ bytes."""
ASKED = re.compile(r"tried to allocate (?:(\d+) bytes|([\d.]+ ?\w+))", re.I)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: what stands after `vitdsl`; by default that of this process.

    Returns:
        The exit code.
    """
    try:
        return _run(sys.argv[1:] if arguments is None else [*arguments])
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where Python flushes the rest to
        return WRONG_INPUT
    except InputError as error:
        echo(str(error), err=True)
        return WRONG_INPUT
    except OSError as error:
        echo(f"{error.filename or 'file'}: {error.strerror or error}", err=True)
        return WRONG_INPUT
    except Exception as error:
        return _report_memory(error) if is_out_of_memory(error) else _report(error)


def _run(arguments: list[str]) -> int:
    """Runs one command; a plain `check` without typer, which takes as long to load as a spec."""
    if arguments[:1] == ["check"]:
        before = gc.get_threshold()
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them takes longer than a spec
        gc.set_threshold(100_000)  # nearly all objects stay: looking for garbage would take a tenth of the time
        try:
            from vitdsl.cli.check import diagnose, plain_call

            call = plain_call(arguments[1:])
            if call is not None:
                return 0 if diagnose(*call) else WRONG_INPUT
        finally:
            gc.set_threshold(*before)
    from vitdsl.cli.commands import run

    run(arguments)
    return 0


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that what was asked for does not fit in memory; torch is not loaded for the answer."""
    by_torch = isinstance(error, RuntimeError) and OUT_OF_MEMORY.search(str(error)) is not None
    return by_torch or isinstance(error, MemoryError)


def _report_memory(error: Exception) -> int:
    """Says that memory did not suffice, how much one tensor asked for, and what takes less."""
    from vitdsl.units import format_measure

    _print_traceback()
    found = ASKED.search(str(error))
    asked = "" if not found else format_measure(int(found[1]), "bytes") if found[1] else found[2]
    echo(
        f"this machine has too little memory for what was asked{asked and f': one tensor needs {asked}'}\n"
        "  A smaller image (`--size`, or `size` of the spec's `input`) or a smaller model takes less.",
        err=True,
    )
    return WRONG_INPUT


def _print_traceback() -> None:
    """Prints the traceback of the error at hand, where the environment asks for it."""
    if os.environ.get("VITDSL_TRACEBACK") == "1":
        import traceback

        traceback.print_exc(file=sys.stderr)


def _report(error: Exception) -> int:
    """Says that it is our fault, and what we need to mend it."""
    _print_traceback()
    echo(
        f"vitdsl {__version__} failed: {type(error).__name__}: {error}\n"
        "  This is our fault, not that of your file. Please report it with the file, the command,\n"
        "  and what the same command prints with VITDSL_TRACEBACK=1 set before it.",
        err=True,
    )
    return OUR_FAULT
