"""What commands print: JSON, tables, numbers, values and types in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from vitdsl.errors import printable
from vitdsl.table import aligned


def echo(text: object = "", err: bool = False, nl: bool = True) -> None:
    """Prints lines, to stdout or to stderr, at once: all that commands print, so that no text of a file is obeyed.

    Args:
        text: what is printed; but for its line breaks, what a terminal would obey or hide is escaped.
        err: to stderr.
        nl: ends the last line.
    """
    said = "\n".join(map(printable, str(text).split("\n")))
    print(said, file=sys.stderr if err else sys.stdout, end="\n" if nl else "", flush=True)


def print_json(value: Any) -> None:
    """Prints a value as JSON, keys in the order in which they were put in."""
    echo(as_json(value, indent=2))


def as_json(value: Any, indent: int | None = None) -> str:
    """A value as JSON; characters that do not print are escaped as JSON escapes them."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Prints a table: drawn on a terminal, plain text elsewhere.

    Args:
        columns: their headings.
        rows: one text for each column.
        right: columns of numbers, which are aligned on the right.
    """
    if sys.stdout.isatty():
        _draw(columns, rows, right)
        return
    for line in aligned(columns, rows, right):
        echo(line)


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for name in columns:
        number = name in right
        # numbers are never cut; what is too long for the terminal ends in an ellipsis
        table.add_column(name, justify="right" if number else "left", no_wrap=True, overflow="ellipsis", min_width=8)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)
