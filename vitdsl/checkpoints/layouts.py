"""Which tables serve a spec, and which of them some weights are in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path

from vitdsl.checkpoints.plan import dropped_by, is_counter, make_plan
from vitdsl.checkpoints.table import Table, read_table
from vitdsl.errors import CheckpointError

SOURCES = "sources.yaml"
"""The file beside the tables that is none: where weights are."""


def shipped_folder() -> Path:
    """Where the tables are: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    wheel = package / "_specs" / "checkpoints"
    return wheel if wheel.is_dir() else package.parent / "specs" / "checkpoints"


@cache
def _tables(folder: Path) -> tuple[Table, ...]:
    return tuple(read_table(path) for path in sorted(folder.glob("*.yaml")) if path.name != SOURCES)


def tables_for(spec_name: str, folder: Path | None = None) -> dict[str, Table]:
    """The tables of a spec by layout, with the rows that speak of it.

    Raises:
        CheckpointError: a table is wrong, or two tables serve the spec in the same layout.
    """
    found: dict[str, Table] = {}
    for table in _tables(folder or shipped_folder()):
        if spec_name not in table.specs:
            continue
        rows = table.of(spec_name)
        for layout in table.layout:
            if layout in found:
                names = f"{found[layout].name} and {table.name}"
                raise CheckpointError(f"Two tables serve `{spec_name}` in the layout `{layout}`: {names}.")
            found[layout] = rows
    return found


def identify(keys: Collection[str], tables: Mapping[str, Table], ours: Iterable[str]) -> str:
    """The layout whose table expects exactly these keys; batch counters and dropped keys may lack.

    Args:
        keys: keys of the weights in question.
        tables: what they may be (`tables_for`). Names of one and the same table are one candidate.
        ours: our keys.

    Raises:
        CheckpointError: where no table fits, or several do; lists the candidates.
    """
    ours, keys = list(ours), dict.fromkeys(keys)
    names: dict[int, str] = {}
    for layout, table in tables.items():
        names.setdefault(id(table), layout)
    fitting, lines = [], []
    for layout in names.values():
        missing, unexpected = _differences(keys, tables[layout], ours)
        if not missing and not unexpected:
            fitting.append(layout)
        lines.append(f"`{layout}`: {_counted(missing, 'missing')}, {_counted(unexpected, 'unexpected')}.")
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        found = ", ".join(f"`{name}`" for name in fitting)
        raise CheckpointError("The keys fit several layouts; name the one that is meant.", [f"Candidates: {found}."])
    raise CheckpointError("The keys fit none of the layouts known for this spec.", lines or ["There are none."])


def distance(keys: Collection[str], table: Table, ours: Iterable[str]) -> int:
    """How many keys are missing or unexpected, or made by no row: 0 where a table fits exactly."""
    ours = list(ours)
    missing, unexpected = _differences(dict.fromkeys(keys), table, ours)
    return len(missing) + len(unexpected) + len(make_plan(table, ours).problems)


def _differences(keys: Mapping[str, None], table: Table, ours: list[str]) -> tuple[list[str], list[str]]:
    plan = make_plan(table, ours)
    missing = [key for key in plan.needed if key not in keys]
    unexpected = [
        key for key in keys if key not in plan.users and not is_counter(key) and dropped_by(table, key) is None
    ]
    return missing, unexpected


def _counted(keys: list[str], what: str) -> str:
    return f"{len(keys)} {what}" + (f" (`{keys[0]}`)" if keys else "")
