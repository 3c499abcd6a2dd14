"""A table of keys: whose code names which tensor how, as `specs/checkpoints/<family>.<layout>.yaml` says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, ValidationError, model_validator

from vitdsl.checkpoints.rows import Closed, Drop, Keys, Move, Row, listed, not_empty
from vitdsl.errors import CheckpointError


class Table(Closed):
    """The rows of one family in one layout.

    Attributes:
        layout: its names; several where two code bases use the same keys.
        specs: the specs that it serves.
        source: whose code the keys are from.
    """

    layout: Keys
    specs: Keys
    source: str
    rows: Annotated[tuple[Row, ...], AfterValidator(not_empty)]
    path: Path | None = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return self.path.stem if self.path else self.layout[0]

    @property
    def moves(self) -> tuple[Move, ...]:
        """The rows that give us tensors."""
        return tuple(row for row in self.rows if isinstance(row, Move))

    @property
    def drops(self) -> tuple[Drop, ...]:
        """The rows that do not."""
        return tuple(row for row in self.rows if isinstance(row, Drop))

    def of(self, spec: str) -> Table:
        """The table with the rows that speak of `spec`."""
        rows = tuple(row for row in self.rows if row.serves(spec))
        return self if len(rows) == len(self.rows) else self.model_copy(update={"rows": rows})

    @model_validator(mode="after")
    def _check(self) -> Table:
        for row in self.rows:
            if not any(row.serves(spec) for spec in self.specs):
                raise ValueError(f"row `{row}` is only for {listed(row.only or ())}, which the table does not serve")
        return self


def parse_table(values: object, path: Path | None = None) -> Table:
    """The table in `values`; raises `CheckpointError` with all that is wrong in it."""
    where = f"The table {path.name if path else 'of keys'} is wrong."
    if not isinstance(values, Mapping):
        raise CheckpointError(where, [f"A table is a mapping, found {type(values).__name__}."])
    try:
        return Table.model_validate({**values, "path": path})
    except ValidationError as error:
        raise CheckpointError(where, [_sentence(each) for each in error.errors()]) from None


def read_table(path: Path) -> Table:
    """The table in the file `path`."""
    return parse_table(_read_yaml(path), path)


def _read_yaml(path: Path) -> object:
    """The one place where a table's file is parsed."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise CheckpointError(f"The table {path.name} is wrong.", [f"It is not YAML: {error}"]) from None


def _sentence(error: Any) -> str:
    place = ".".join(str(step) for step in error["loc"] if step not in ("move", "drop"))
    return f"{place or 'table'}: {error['msg'].removeprefix('Value error, ')}."
