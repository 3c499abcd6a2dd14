"""Weights into a model: told apart, renamed, resized where only a grid differs, and else refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vitdsl.checkpoints.convert import Shapes, anything, to_ours, to_theirs
from vitdsl.checkpoints.errors import CheckpointError, Problems
from vitdsl.checkpoints.files import read_weights
from vitdsl.checkpoints.layouts import distance, identify, tables_for
from vitdsl.checkpoints.plan import is_counter, make_plan
from vitdsl.checkpoints.table import Table, parse_table
from vitdsl.checkpoints.transfer import Fitted, Fitting

if TYPE_CHECKING:
    from torch import Tensor, nn

OURS = "ours"
"""The layout of our own state dicts."""
PARTIAL = "`partial=True`, or `--partial`, takes what fits."
NAMELESS = "No shipped spec has its name; `base`, or `--base`, names the one that the weights are for."
"""What to say of a spec that no table serves: it was written anew, or dumped under another name."""


@dataclass(frozen=True)
class Report:
    """What became of each tensor; all names are ours, but for `unused`, which are those of the weights.

    Attributes:
        copied: tensors that were taken as they are.
        resized: tables of positions that were fitted to the model's grid.
        adapted: first convolutions that were fitted to images of other channels.
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


class Base(NamedTuple):
    """A spec that weights may be for: its name, the shape of each of its keys, and its tables by layout."""

    name: str
    shapes: Shapes
    tables: Mapping[str, Table]


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
    model: nn.Module,
    source: str | Path | Mapping[str, Tensor],
    tables: Mapping[str, Table],
    layout: str | None = None,
    *,
    partial: bool = False,
    channels: str | None = None,
    bases: Iterable[Base] = (),
    fresh: Callable[[], Mapping[str, Tensor]] = dict,
) -> Report:
    """Fill a model with weights, its own or those of a spec that it was edited from.

    Everything must fit by name and shape; tables of positions whose grid alone differs are resized. A model on the
    meta device is moved to the CPU. Nothing of the model changes where the weights are refused.

    Args:
        model: what is filled; its types and devices stay.
        source: a file, or a state dict.
        tables: by layout.
        layout: of the weights; None: told apart by the exact set of keys.
        partial: takes what fits by path, and leaves the rest of both sides as it is.
        channels: how the first convolution is fitted to other channels: one of `transfer.CHANNELS`.
        bases: specs that the model's was edited from, nearest first; read only where the weights are not its own.
        fresh: the initial values of a model on the meta device, for what the weights do not hold.

    Raises:
        CheckpointError: with all that does not fit.
    """
    state = source if isinstance(source, Mapping) else read_weights(source).tensors
    fitting = Fitting(model, channels)
    own = Base("", fitting.shapes, tables)
    base, table = _meant(state, chain((own,), bases), layout)
    made = _renamed(state, base, table, fitting, partial)
    fitted = fitting.fit(made)
    taken = fitted.tensors
    new = tuple(key for key in fitting.shapes if key not in taken)
    if not partial:
        _check_whole(base, made, fitted, new, fitting)
    _check_types(taken, model.state_dict())
    used = _used(table, base.shapes, taken)
    _put(model, taken, new, fresh)
    unused = tuple(key for key in state if key not in used)
    return Report(tuple(fitted.copied), tuple(fitted.resized), tuple(fitted.adapted), new, unused)


def _meant(state: Mapping[str, Tensor], bases: Iterable[Base], layout: str | None) -> tuple[Base, Table]:
    """The spec that has exactly these keys, or else that of the named layout which is nearest; and the table."""
    near: tuple[int, Base, Table] | None = None
    refused: CheckpointError | None = None
    served = False
    for base in bases:
        served = served or bool(base.tables)
        try:
            table = chosen(base.tables, layout or told_apart(state, base.shapes, base.tables))
        except CheckpointError as error:
            refused = refused or error
            continue
        away = distance(state, table, base.shapes) if layout else 0
        if not away:
            return base, table
        if near is None or away < near[0]:
            near = away, base, table
    if near is None:
        assert refused is not None
        raise refused if served else CheckpointError(refused.headline, (*refused.problems, NAMELESS))
    return near[1:]


def _renamed(
    state: Mapping[str, Tensor], base: Base, table: Table, fitting: Fitting, partial: bool
) -> dict[str, Tensor]:
    """The weights with our names, and the shapes that they came with."""
    if partial:
        return to_ours(state, table, base.shapes, accept=anything, whole=False)
    try:
        return to_ours(state, table, base.shapes, accept=anything if base.name else fitting.accepts)
    except CheckpointError as error:
        raise CheckpointError(f"{error.headline} {PARTIAL}", error.problems) from None


def _check_whole(
    base: Base, made: Mapping[str, Tensor], fitted: Fitted, new: tuple[str, ...], fitting: Fitting
) -> None:
    """Complains of all that the weights of another spec leave over on either side."""
    problems = Problems()
    for key in sorted(fitted.left, key=lambda key: key not in fitting.shapes):
        shape = list(made[key].shape)
        if key not in fitting.shapes:
            problems.add(f"`{key}` of shape {shape} has no place in the model.")
            continue
        how = " `channels` says how it is fitted." if fitting.other_channels(key, made[key]) else ""
        problems.add(f"Our `{key}` has shape {list(fitting.shapes[key])}, found {shape}.{how}")
    for key in new:
        if key not in made and not is_counter(key):
            problems.add(f"Our `{key}` is not among the weights.")
    problems.raise_if_any(f"The weights are those of `{base.name}`, and the model is another. {PARTIAL}")


def _used(table: Table, ours: Shapes, taken: Mapping[str, Tensor]) -> set[str]:
    """Keys of theirs of which the model took something."""
    plan = make_plan(table, ours)
    steps = {key for step in plan.steps if any(mine in taken for mine in step.ours) for key in step.theirs}
    return steps | {theirs for theirs, mine in plan.counters if mine in taken}


def _check_types(made: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    problems = Problems()
    for key, tensor in made.items():
        if tensor.is_floating_point() != own[key].is_floating_point():
            problems.add(f"Our `{key}` holds {own[key].dtype}, found {tensor.dtype}.")
    problems.raise_if_any("The weights do not fit the model.")


def _put(
    model: nn.Module, made: Mapping[str, Tensor], new: tuple[str, ...], fresh: Callable[[], Mapping[str, Tensor]]
) -> None:
    """Copies the tensors into the model; counters that the weights lack start at zero, the rest as initialized."""
    own = model.state_dict()
    if any(tensor.is_meta for tensor in own.values()):
        values = fresh() if not all(map(is_counter, new)) else {}
        model.to_empty(device="cpu")
        own = {**model.state_dict(), **values}
    missing = {key: own[key].new_zeros(own[key].shape) if is_counter(key) else own[key] for key in new}
    model.load_state_dict({**made, **missing}, strict=True)


def _without_counters(keys: Iterable[str]) -> set[str]:
    return {key for key in keys if not is_counter(key)}
