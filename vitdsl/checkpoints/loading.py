"""Weights into a model: told apart, renamed, resized where only a grid differs, and else refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from vitdsl.checkpoints.convert import Shapes, to_ours, to_theirs
from vitdsl.checkpoints.errors import CheckpointError, Problems
from vitdsl.checkpoints.files import read_weights
from vitdsl.checkpoints.layouts import identify, tables_for
from vitdsl.checkpoints.plan import is_counter, make_plan
from vitdsl.checkpoints.resizing import resizers
from vitdsl.checkpoints.table import Table, parse_table

if TYPE_CHECKING:
    from torch import Tensor, nn

OURS = "ours"
"""The layout of our own state dicts."""


@dataclass(frozen=True)
class Report:
    """What became of each tensor; all names are ours, but for `unused`, which are those of the weights.

    Attributes:
        copied: tensors that were taken as they are.
        resized: tables that were interpolated to the model's grid.
        adapted: tensors that were fitted to a spec that differs from theirs.
        new: tensors that the weights do not hold, left as they were initialized.
        unused: tensors of theirs that the model has no place for.
    """

    copied: tuple[str, ...] = ()
    resized: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A line for each kind that there is: how many, and which, where they are few or not simply copied."""
        return "\n".join(self._line(field.name) for field in fields(self) if getattr(self, field.name)) or "nothing"

    def _line(self, kind: str) -> str:
        names = getattr(self, kind)
        if kind == "copied":
            return f"copied: {len(names)}"
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        return f"{kind}: {len(names)} ({shown})"


def tables_of(names: Iterable[str], folder: Path | None = None) -> dict[str, Table]:
    """The tables by layout for the first of these names that has one in it: a spec's own, then those it extends."""
    found: dict[str, Table] = {}
    for name in names:
        for layout, table in tables_for(name, folder).items():
            found.setdefault(layout, table)
    return found


def own_table() -> Table:
    """The table of our own layout, in which nothing is renamed."""
    return parse_table({"layout": OURS, "specs": "any", "source": "vitdsl", "rows": ["{key*} -> {key*}"]})


def convert_state(
    state: Mapping[str, Tensor], ours: Shapes, tables: Mapping[str, Table], layout: str | None, to: str | None
) -> dict[str, Tensor]:
    """A state dict in one layout, in another.

    Args:
        state: the weights.
        ours: the shape of each of our keys.
        tables: by layout.
        layout: of `state`; None: told apart by the exact set of keys.
        to: the layout that is wanted; None: ours.

    Raises:
        CheckpointError: with all that does not fit.
    """
    table = chosen(tables, layout or told_apart(state, ours, tables))
    wanted = chosen(tables, to or OURS)
    made = to_ours(state, table, ours)
    return made if wanted.layout == (OURS,) else to_theirs(made, wanted, ours)


def told_apart(state: Mapping[str, Tensor], ours: Shapes, tables: Mapping[str, Table]) -> str:
    """The layout that has exactly these keys: ours, or else one of the tables'."""
    if _without_counters(state) == _without_counters(ours):
        return OURS
    return identify(state, {OURS: own_table(), **tables}, ours)


def chosen(tables: Mapping[str, Table], layout: str) -> Table:
    """The table of a layout that a caller named."""
    if layout == OURS:
        return own_table()
    if layout not in tables:
        known = ", ".join(f"`{name}`" for name in (OURS, *tables))
        raise CheckpointError(f"There is no layout `{layout}` for this spec; there are {known}.")
    return tables[layout]


def load_into(
    model: nn.Module, source: str | Path | Mapping[str, Tensor], tables: Mapping[str, Table], layout: str | None = None
) -> Report:
    """Fill a model with weights.

    Everything must fit by name and shape; tables of positions whose grid alone differs are resized. A model on the
    meta device is moved to the CPU. Nothing of the model changes where the weights are refused.

    Args:
        model: what is filled; its types and devices stay.
        source: a file, or a state dict.
        tables: by layout.
        layout: of the weights; None: told apart by the exact set of keys.

    Raises:
        CheckpointError: with all that does not fit.
    """
    state = source if isinstance(source, Mapping) else read_weights(source).tensors
    own = model.state_dict()
    ours = {key: tuple(tensor.shape) for key, tensor in own.items()}
    table = chosen(tables, layout or told_apart(state, ours, tables))
    resize = resizers(model)
    made = to_ours(state, table, ours, accept=lambda key, tensor: key in resize and resize[key].fits(tensor))
    resized = tuple(key for key, tensor in made.items() if tuple(tensor.shape) != ours[key])
    for key in resized:
        made[key] = resize[key](made[key])
    _check_types(made, own)
    used = _used(table, ours)
    unused = tuple(key for key in state if key not in used)
    new = tuple(key for key in ours if key not in made)
    _put(model, made, new)
    return Report(tuple(key for key in made if key not in resized), resized, (), new, unused)


def _used(table: Table, ours: Shapes) -> set[str]:
    plan = make_plan(table, ours)
    return {*plan.needed, *(theirs for theirs, _ in plan.counters)}


def _check_types(made: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    problems = Problems()
    for key, tensor in made.items():
        if tensor.is_floating_point() != own[key].is_floating_point():
            problems.add(f"Our `{key}` holds {own[key].dtype}, found {tensor.dtype}.")
    problems.raise_if_any("The weights do not fit the model.")


def _put(model: nn.Module, made: Mapping[str, Tensor], new: tuple[str, ...]) -> None:
    """Copies the tensors into the model; counters that the weights lack start at zero."""
    own = model.state_dict()
    if any(tensor.is_meta for tensor in own.values()):
        model.to_empty(device="cpu")
        own = model.state_dict()
    missing = {key: own[key].new_zeros(own[key].shape) for key in new}
    model.load_state_dict({**made, **missing}, strict=True)


def _without_counters(keys: Iterable[str]) -> set[str]:
    return {key for key in keys if not is_counter(key)}
