"""The page: plots, tables and the details of every candidate, in one file that needs no network."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from vitdsl.errors import Problem, SpecError
from vitdsl.pages import render
from vitdsl.resolve.files import write_text
from vitdsl.search import INSTALL
from vitdsl.search.ledger import FAILED, refusals
from vitdsl.search.report.correlations import correlation_table
from vitdsl.search.report.figures import fronts, parallel, progress
from vitdsl.search.results import Row, rows_of, winners
from vitdsl.spec import load
from vitdsl.syntax.printer import dump_tree
from vitdsl.units import format_measure

if TYPE_CHECKING:
    from optuna.study import Study

    from vitdsl.search.file import Search

HERE = Path(__file__).parent


def write_report(study: Study, search: Search, path: str | Path) -> Path:
    """Writes a search as one HTML page, which needs no network.

    It shows each objective against each cost with the front of the two, progress, parallel coordinates, the reasons for
    refusals, rank correlations of all measures with the sizes and the objectives, and every candidate: its decisions,
    measures, costs by stage, and spec.

    Args:
        study: of the search; it may be empty, or still running.
        search: whose study it is.
        path: of the page; its folder must exist.

    Returns:
        The path.

    Raises:
        SpecError: plotly is not installed.
        OSError: the page cannot be written.
    """
    path = Path(path)
    write_text(path, page(study, search))
    return path


def page(study: Study, search: Search) -> str:
    """The page's text. Strings from files are escaped: in HTML by Jinja, in data as JSON that cannot end a script."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise SpecError(Problem(f"reports need {error.name}: {INSTALL}", code="E601")) from None
    rows = rows_of(study, search)
    against, correlations = correlation_table(rows, search)
    refused = refusals(study.get_trials(deepcopy=False))
    values = {
        "search": search, "objectives": search.file.objectives, "text": dump_tree(search.tree), "rows": rows,
        "counts": Counter(row.state for row in rows), "best": winners(rows, search), "refused": refused,
        "failed": _failed(rows), "retries": any(row.retry_of is not None for row in rows),
        "most": max(refused.values(), default=0), "measures": _measures(rows, search), "against": against,
        "correlations": correlations, "plotly": get_plotlyjs(),
        "data": _finite({
            "fronts": fronts(rows, search), "progress": progress(rows, search), "parallel": parallel(rows, search),
            "details": {str(row.number): _details(row) for row in rows},
        }),
    }  # fmt: skip
    return render(HERE, "page.html", values, {"cell": _cell, "breakable": _breakable})


def _measures(rows: Sequence[Row], search: Search) -> list[str]:
    """The columns of the table: the objectives, then all other measures of any candidate."""
    known = {name for row in rows for name in row.measures} - {"trainable_params"}
    return [
        name for name in dict.fromkeys((*search.file.objectives, *search.measures, *sorted(known))) if name in known
    ]


def _failed(rows: Sequence[Row]) -> dict[str, list[int]]:
    """The trials that failed, by reason."""
    found: dict[str, list[int]] = {}
    for row in rows:
        if row.state == FAILED:
            found.setdefault(row.problem, []).append(row.number)
    return found


def _details(row: Row) -> dict[str, Any]:
    """The texts that a click on a candidate shows."""
    analysis = load(row.spec).analyze()
    state = f"{row.state.lower()}: {row.problem}" if row.problem else row.state.lower()
    return {
        "title": f"trial {row.number}", "state": state, "hash": row.hash, "spec": row.spec,
        "decisions": [[path, str(value)] for path, value in row.decisions.items()],
        "measures": [[name, _cell(value, name)] for name, value in row.measures.items()],
        "stages": [[s.path, format_measure(s.cost.params), format_measure(s.cost.macs)] for s in analysis.stages],
    }  # fmt: skip


def _breakable(name: str) -> Markup:
    """A name in which a line may break after each point and underscore."""
    return Markup("<wbr>").join(re.split(r"(?<=[._])", name))


def _cell(value: float | None, measure: str = "") -> str:
    """A measure in the table, or a dash."""
    return "–" if value is None else format_measure(value, measure)


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
