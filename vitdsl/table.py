"""Tables as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vitdsl.errors import printable


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> Iterator[str]:
    """The lines of a table, its headings first.

    Args:
        columns: their headings.
        rows: one text for each column.
        right: columns of numbers, which are aligned on the right.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(row, widths, columns, strict=True)
        ]
        yield "  ".join(cells).rstrip()
