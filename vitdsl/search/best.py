"""The best candidates of a search as ordinary spec files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.errors import Problem, SpecError
from vitdsl.resolve.files import write_text
from vitdsl.search.results import Row, rows_of, winners
from vitdsl.syntax.names import file_name
from vitdsl.units import format_measure

if TYPE_CHECKING:
    from optuna.study import Study

    from vitdsl.search.file import Search


def write_best(study: Study, search: Search, folder: str | Path, count: int | None = None) -> list[Path]:
    """Writes the best candidates as specs, which `vitdsl build` takes.

    The name of a file is that of the search, the place and the hash of the spec. It begins with decisions and measures.

    Args:
        study: of the search.
        search: whose objectives say what is best.
        folder: is created where it does not exist.
        count: the largest number of files; None: the best one, or with several objectives the whole front.

    Returns:
        The files, the best first.

    Raises:
        SpecError: no candidate went through all rungs.
    """
    best = winners(rows_of(study, search), search, count)
    if not best:
        message = f"no candidate of {search.name} has gone through all rungs, so none is best"
        raise SpecError(Problem(message, hint="run the search on", code="E916"))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    digits = len(str(len(best)))
    written = []
    for place, row in enumerate(best, 1):
        path = folder / file_name(search.name, f"_{place:0{digits}}_{row.hash}.yaml")
        write_text(path, header(row, search, place) + row.spec)
        written.append(path)
    return written


def header(row: Row, search: Search, place: int) -> str:
    """Comments with the search, the decisions and the measures; each value is one line."""
    lines = [
        f"candidate {place} of the search {_line(search.name)}: trial {row.number}",
        f"space: {_line(search.space.name)}",
        "decisions:",
        *(f"  {_line(path)}: {_line(value)}" for path, value in row.decisions.items()),
        "measures:",
        *(f"  {_line(name)}: {value!r} ({format_measure(value, name)})" for name, value in row.measures.items()),
    ]
    return "".join(f"# {line}\n" for line in lines)


def _line(value: Any) -> str:
    """A value as text without line breaks."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.isprintable() else json.dumps(text)
