"""Weights into a model: told apart, renamed, resized where only a grid differs, and else refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vitdsl.checkpoints.convert import Grids, Shapes, anything, to_ours, to_theirs
from vitdsl.checkpoints.files import read_weights, state_in, without_prefixes
from vitdsl.checkpoints.plan import OWN, distance, identify, is_counter, make_plan
from vitdsl.checkpoints.resizing import grids_of
from vitdsl.checkpoints.tables import OURS, Table, own_table
from vitdsl.checkpoints.transfer import Fitted, Fitting
from vitdsl.errors import CheckpointError, near

if TYPE_CHECKING:
    from torch import Tensor, nn

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


def convert_state(
    state: Mapping[str, Tensor],
    ours: Shapes,
    tables: Mapping[str, Table],
    layout: str | None,
    to: str | None,
    grids: Grids,
) -> dict[str, Tensor]:
    """A state dict in one layout, in another.

    Args:
        state: the weights.
        ours: the shape of each of our keys.
        tables: by layout.
        layout: of `state`; None: identified by the exact set of keys.
        to: the layout that is wanted; None: ours.
        grids: those of our tables of positions, by key.

    Raises:
        CheckpointError: with all that does not fit.
    """
    state, table = find_table(state, ours, tables, layout)
    wanted = table_of(tables, to or OURS)
    made = to_ours(state, table, ours)
    return made if wanted.layout == (OURS,) else to_theirs(made, wanted, ours, grids)


def find_table(
    given: Mapping[str, Tensor], ours: Shapes, tables: Mapping[str, Table], layout: str | None
) -> tuple[Mapping[str, Tensor], Table]:
    """The table that weights are in, and the weights without what wrappers of models put before all of their keys.

    Args:
        given: the weights.
        ours: the shape of each of our keys.
        tables: by layout.
        layout: that a caller named; None: the one that has exactly these keys.

    Raises:
        CheckpointError: there is no such layout, or none has exactly these keys, or several have.
    """
    states = [*without_prefixes(given)] or [given]
    if layout is not None:
        table = table_of(tables, layout)
        return min(states, key=lambda state: distance(state, table, ours) if len(states) > 1 else 0), table
    for state in states:
        if _without_counters(state) == _without_counters(ours):
            return state, own_table()
    known = {OURS: own_table(), **tables}
    alike = (state for state in states[:-1] if any(distance(state, table, ours) == 0 for table in known.values()))
    state = next(alike, states[-1])
    return state, table_of(tables, identify(state, known, ours))


def table_of(tables: Mapping[str, Table], layout: str) -> Table:
    """The table of a layout that a caller named."""
    if layout == OURS:
        return own_table()
    if layout not in tables:
        known = ", ".join(f"`{name}`" for name in (OURS, *tables))
        likely = near(layout, (OURS, *tables))
        hint = f" Did you mean `{likely}`?" if likely else f" {OWN}"
        raise CheckpointError(f"There is no layout `{layout}` for this spec; there are {known}.{hint}")
    return tables[layout]


def load_into(
    model: nn.Module,
    source: str | Path | Mapping[str, Tensor],
    tables: Mapping[str, Table],
    layout: str | None = None,
    *,
    container: str | None = None,
    partial: bool = False,
    channels: str | None = None,
    bases: Iterable[Base] = (),
    initial_state: Callable[[], Mapping[str, Tensor]] = dict,
) -> Report:
    """Fill a model with weights, its own or those of a spec that it was edited from.

    Everything must fit by name and shape; tables of positions whose grid alone differs are resized. A model on the
    meta device is moved to the CPU. Nothing of the model changes where the weights are refused.

    Args:
        model: what is filled; its types and devices stay.
        source: a file, or a state dict.
        tables: by layout.
        layout: of the weights; None: told apart by the exact set of keys.
        container: where in the source the state dict is, if it holds several.
        partial: takes what fits by path, and leaves the rest of both sides as it is.
        channels: how the first convolution is fitted to other channels: one of `transfer.CHANNELS`.
        bases: specs that the model's was edited from, nearest first; read only where the weights are not its own.
        initial_state: the initial values of a model on the meta device, for what the weights do not hold.

    Raises:
        CheckpointError: with all that does not fit.
    """
    given = tensors_of(source, container)
    fitting = Fitting(model, channels, grids_of(source))
    own = Base("", fitting.shapes, tables)
    state, base, table = _base_of(given, chain((own,), bases), layout)
    made = _renamed(state, base, table, fitting, partial)
    fitted = fitting.fit(made)
    taken = fitted.tensors
    new = tuple(key for key in fitting.shapes if key not in taken)
    if not partial:
        _check_whole(base, made, fitted, new, fitting)
    _check_values(taken, model.state_dict())
    used = _used(table, base.shapes, taken)
    _put(model, taken, new, initial_state)
    unused = tuple(key for key in state if key not in used)
    return Report(tuple(fitted.copied), tuple(fitted.resized), tuple(fitted.adapted), new, unused)


def _base_of(
    given: Mapping[str, Tensor], bases: Iterable[Base], layout: str | None
) -> tuple[Mapping[str, Tensor], Base, Table]:
    """The spec that has exactly these keys, or else that of the named layout which is nearest; weights and table."""
    nearest: tuple[int, Mapping[str, Tensor], Base, Table] | None = None
    refused: CheckpointError | None = None
    served = False
    for base in bases:
        served = served or bool(base.tables)
        try:
            state, table = find_table(given, base.shapes, base.tables, layout)
        except CheckpointError as error:
            refused = refused or error
            continue
        away = distance(state, table, base.shapes) if layout else 0
        if not away:
            return state, base, table
        if nearest is None or away < nearest[0]:
            nearest = away, state, base, table
    if nearest is None:
        assert refused is not None
        raise refused if served else CheckpointError(refused.headline, (*refused.problems, NAMELESS))
    return nearest[1:]


def _renamed(
    state: Mapping[str, Tensor], base: Base, table: Table, fitting: Fitting, partial: bool
) -> dict[str, Tensor]:
    """The weights with our names, and the shapes that they came with."""
    if partial:
        return to_ours(state, table, base.shapes, accept=anything, whole=False)
    try:
        accept = anything if base.name else fitting.accepts
        return to_ours(state, table, base.shapes, accept=accept, remedy=fitting.remedy)
    except CheckpointError as error:
        raise CheckpointError(f"{error.headline} {PARTIAL}", error.problems) from None


def _check_whole(
    base: Base, made: Mapping[str, Tensor], fitted: Fitted, new: tuple[str, ...], fitting: Fitting
) -> None:
    """Complains of all that the weights of another spec leave over on either side."""
    problems = []
    for key in sorted(fitted.left, key=lambda key: key not in fitting.shapes):
        shape = list(made[key].shape)
        if key not in fitting.shapes:
            problems.append(f"`{key}` of shape {shape} has no place in the model.")
            continue
        message = f"Our `{key}` has shape {list(fitting.shapes[key])}, found {shape}."
        problems.append(message + fitting.remedy(key, made[key]))
    for key in new:
        if key not in made and not is_counter(key):
            problems.append(f"Our `{key}` is not among the weights.")
    if problems:
        raise CheckpointError(f"The weights are those of `{base.name}`, and the model is another. {PARTIAL}", problems)


def _used(table: Table, ours: Shapes, taken: Mapping[str, Tensor]) -> set[str]:
    """Keys of theirs of which the model took something."""
    plan = make_plan(table, ours)
    steps = {key for step in plan.steps if any(mine in taken for mine in step.ours) for key in step.theirs}
    return steps | {theirs for theirs, mine in plan.counters if mine in taken}


def _check_values(taken: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    problems = []
    for key, tensor in taken.items():
        kind = own[key].dtype
        if tensor.is_floating_point() != kind.is_floating_point:
            problems.append(f"Our `{key}` holds {kind}, found {tensor.dtype}.")
        elif not (finite := tensor.to(kind).isfinite()).all():
            count = f"{int(finite.logical_not().sum()):,} of {tensor.numel():,} numbers"
            problems.append(f"Our `{key}` gets {count} that are NaN or infinite as {kind}.")
    if problems:
        raise CheckpointError("The weights do not fit the model.", problems)


def tensors_of(source: str | Path | Mapping[str, Any], container: str | None = None) -> Mapping[str, Tensor]:
    """The state dict in a file or in a mapping.

    Raises:
        CheckpointError: there is none, or several.
    """
    if isinstance(source, Mapping):
        return state_in(source, container, "the weights given")[0]
    return read_weights(source, container=container).tensors


def _put(
    model: nn.Module,
    made: Mapping[str, Tensor],
    new: tuple[str, ...],
    initial_state: Callable[[], Mapping[str, Tensor]],
) -> None:
    """Copies the tensors into the model; counters that the weights lack start at zero, the rest as initialized."""
    own = model.state_dict()
    if any(tensor.is_meta for tensor in own.values()):
        values = initial_state() if not all(map(is_counter, new)) else {}
        model.to_empty(device="cpu")
        own = {**model.state_dict(), **values}
    missing = {key: own[key].new_zeros(own[key].shape) if is_counter(key) else own[key] for key in new}
    model.load_state_dict({**made, **missing}, strict=True)


def _without_counters(keys: Iterable[str]) -> set[str]:
    return {key for key in keys if not is_counter(key)}
