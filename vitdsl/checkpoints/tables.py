"""Tables of keys: whose code names which tensor how, and which tables serve a spec.

Tables are shipped, come with other packages, lie beside a spec as `NAME.LAYOUT.yaml`, or are given by a caller.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, ValidationInfo, model_validator

from vitdsl.checkpoints.rows import Closed, Drop, Keys, Move, Row, listed, not_empty
from vitdsl.errors import CheckpointError, InputError, Problem, did_you_mean
from vitdsl.resolve.files import shipped
from vitdsl.syntax.locate import problem
from vitdsl.syntax.source import read_file
from vitdsl.syntax.tree import Map

OURS = "ours"
"""The layout of our own state dicts."""
SOURCES = "sources.yaml"
"""The file beside the shipped tables that is none: where weights are."""
ENTRY_POINTS = "vitdsl.checkpoints"
"""Each entry point of this group names a package whose folder holds tables."""
Value = int | tuple[int, ...]
M = TypeVar("M", bound=Closed)


class Table(Closed):
    """The rows of one family in one layout.

    Attributes:
        layout: its names; several where two code bases use the same keys.
        specs: the specs that it serves; default all.
        source: whose code the keys are from.
        let: integers, or lists of them, that rows may name in expressions: one, or one for each pattern of specs, of
            which the first that matches counts.
    """

    layout: Keys = ("given",)
    specs: Keys = ("*",)
    source: str = ""
    let: Mapping[str, Value | dict[str, Value]] = Field(default_factory=dict)
    rows: Annotated[tuple[Row, ...], AfterValidator(not_empty)]
    _path: Path | None = PrivateAttr(None)

    @property
    def name(self) -> str:
        """How messages call it."""
        return self._path.stem if self._path else self.layout[0]

    @property
    def moves(self) -> tuple[Move, ...]:
        """The rows that give us tensors."""
        return tuple(row for row in self.rows if isinstance(row, Move))

    @property
    def drops(self) -> tuple[Drop, ...]:
        """The rows that do not."""
        return tuple(row for row in self.rows if isinstance(row, Drop))

    def of(self, spec: str) -> Table:
        """The table with the rows that speak of `spec`, and with its numbers in them."""
        rows = tuple(row for row in self.rows if row.serves(spec))
        if not self.let and len(rows) == len(self.rows):
            return self
        known = {name: _value(values, spec, f"`let.{name}` of {self.name}") for name, values in self.let.items()}
        return self.model_copy(update={"rows": tuple(row.with_let(known) for row in rows)})

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Table:
        context = info.context or {}
        self._path = context.get("path")
        if OURS in self.layout and not context.get("own"):
            raise ValueError(f"the layout `{OURS}` is that of our own state dicts; call it otherwise")
        for row in self.rows:
            if "*" not in self.specs and not any(row.serves(spec) for spec in self.specs):
                raise ValueError(f"row `{row}` is only for {listed(row.only or ())}, which the table does not serve")
        return self


def _value(values: Value | dict[str, Value], spec: str, name: str) -> Value:
    """The value for a spec."""
    if not isinstance(values, dict):
        return values
    found = next((value for pattern, value in values.items() if fnmatchcase(spec, pattern)), None)
    if found is None:
        raise CheckpointError(f"{name} says nothing of `{spec}`; it has {listed(values)}.", code="E712")
    return found


def parse_table(values: object, path: Path | None = None) -> Table:
    """The table in `values`.

    Args:
        values: what a file holds, or a mapping.
        path: the file. In `NAME.LAYOUT.yaml`, the layout need not be written.

    Raises:
        CheckpointError: with all that is wrong in it, each at its place.
    """
    if not isinstance(values, Mapping):
        raise CheckpointError(
            f"{path or 'A table of keys'}: a table is a mapping with `rows`, found {values!r:.60}.", code="E712"
        )
    named = {"layout": path.stem.rpartition(".")[2]} if path else {}
    let = values.get("let")
    context = {"path": path, "let": set(let) if isinstance(let, Mapping) else set()}
    return validated(Table, {**named, **values}, values, context)


@cache
def own_table() -> Table:
    """The table of our own layout, in which nothing is renamed."""
    return Table.model_validate({"layout": OURS, "rows": ["{key*} -> {key*}"]}, context={"own": True})


def read_table(path: Path) -> Table:
    """The table in a file.

    Raises:
        CheckpointError: with all that is wrong in it, each at its place.
    """
    return parse_table(read_values(path), path)


def read_values(path: Path) -> Any:
    """What a YAML file holds, with positions.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        return read_file(path)
    except InputError as error:
        raise CheckpointError("", error.problems) from None


def validated(model: type[M], values: Mapping[str, Any], positions: Any, context: dict[str, Any] | None = None) -> M:
    """The object that a mapping describes.

    Args:
        model: its class.
        values: the mapping.
        positions: the same as it was read; each problem is at its place there.
        context: what validators need to know.

    Raises:
        CheckpointError: with all that is wrong in it.
    """
    try:
        return model.model_validate(values, context=context)
    except ValidationError as error:
        problems = [_problem(model, positions, each) for each in error.errors()]
        headline = "" if isinstance(positions, Map) and positions.pos else "The table of keys is wrong."
        raise CheckpointError(headline, problems, code="E712") from None


def _problem(model: type[Closed], values: Any, error: Any) -> Problem:
    place = tuple(step for step in error["loc"] if step not in ("move", "drop"))
    message, hint, code = error["msg"].removeprefix("Value error, "), "", "E712"
    if error["type"] == "extra_forbidden":
        models = (model,) if len(place) == 1 or model is not Table else (Move, Drop)
        known = {field.alias or name for each in models for name, field in each.model_fields.items()}
        message, hint, code = f"there is no key `{place[-1]}` here", did_you_mean(str(place[-1]), known), "E201"
    elif error["type"] == "missing":
        message, place, code = f"`{place[-1]}` is missing", place[:-1], "E202"
    return problem(values, place, message, hint, code)


def shipped_folder() -> Path:
    """Where the shipped tables are."""
    return shipped("checkpoints")


@cache
def _tables(folder: Path) -> tuple[Table, ...]:
    return tuple(read_table(path) for path in sorted(folder.glob("*.yaml")) if path.name != SOURCES)


def _folders() -> list[Path]:
    """Folders of tables: ours, and those of other installed packages."""
    packages = (entry.load() for entry in metadata.entry_points(group=ENTRY_POINTS))
    return [shipped_folder(), *(Path(package.__file__).parent for package in packages)]


def tables_for(spec_name: str, folder: Path | None = None) -> dict[str, Table]:
    """The tables of a spec by layout, with the rows that speak of it.

    Args:
        spec_name: the spec.
        folder: where tables are; default, those that are shipped or installed.

    Raises:
        CheckpointError: a table is wrong, or two tables serve the spec in the same layout.
    """
    found: dict[str, Table] = {}
    for place in _folders() if folder is None else [folder]:
        for table in _tables(place):
            if any(fnmatchcase(spec_name, pattern) for pattern in table.specs):
                rows = table.of(spec_name)
                for layout in table.layout:
                    if layout in found:
                        names = f"{found[layout].name} and {table.name}"
                        raise CheckpointError(
                            f"Two tables serve `{spec_name}` in the layout `{layout}`: {names}.", code="E712"
                        )
                    found[layout] = rows
    return found


def tables_of(names: Iterable[str], file: Path | None = None) -> dict[str, Table]:
    """The tables by layout that serve a spec.

    Args:
        names: its name and those of the specs that it extends, nearest first; the first that has a table in a layout
            counts.
        file: of the spec; tables that lie beside it count first.
    """
    names = tuple(names)
    found: dict[str, Table] = {}
    for path in _beside(file, names) if file is not None else ():
        values = read_values(path)
        if isinstance(values, Map) and "rows" in values:  # else a spec with a dot in its name
            table = parse_table(values, path)
            found |= {layout: table.of(_named(table, names)) for layout in table.layout if layout not in found}
    for name in names:
        for layout, table in tables_for(name).items():
            found.setdefault(layout, table)
    return found


def _beside(file: Path, names: Iterable[str]) -> list[Path]:
    """Files that may be tables of a spec: `NAME.LAYOUT.yaml` in its folder."""
    stems = dict.fromkeys((file.stem, *names))
    return [path for stem in stems for path in sorted(file.parent.glob(f"{glob.escape(stem)}.*.yaml"))]


def _named(table: Table, names: Iterable[str]) -> str:
    """The first of the names that a table serves, or the first."""
    names = [*names]
    return next((name for name in names if any(fnmatchcase(name, each) for each in table.specs)), names[0])


def custom_table(layout: str | Path | Mapping[str, Any], names: Iterable[str]) -> Table | None:
    """The table that a caller gives in place of a layout's name: a mapping, or a path; None: it is a name.

    Args:
        layout: what the caller gave.
        names: of the spec, and of those that it extends.

    Raises:
        CheckpointError: with all that is wrong in it.
    """
    if isinstance(layout, Mapping):
        table = parse_table(layout)
    elif isinstance(layout, Path) or Path(layout).suffix in (".yaml", ".yml"):
        table = read_table(Path(layout))
    else:
        return None
    return table.of(_named(table, names))
