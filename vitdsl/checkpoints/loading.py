"""Weights into a model: identified, renamed, resized where only a grid differs, and else refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vitdsl.checkpoints.convert import Shapes, take_any, to_ours, to_theirs
from vitdsl.checkpoints.files import read_weights
from vitdsl.checkpoints.fitting import SIZE, Fitting, grid_text
from vitdsl.checkpoints.plan import OWN, distance, identify_layout, is_counter, make_plan
from vitdsl.checkpoints.state import grids_of, state_in, with_grids, without_prefixes
from vitdsl.checkpoints.tables import OURS, Table, own_table
from vitdsl.errors import CheckpointError, near

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vitdsl.checkpoints.state import Grids
    from vitdsl.layers.tables import Grid

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
    """A spec that weights may be for.

    Attributes:
        name: of the spec; empty: the model's own.
        shapes: the shape of each of its keys.
        tables: its tables of keys by layout.
        grids: those of its tables of positions, by key, for weights that do not say them.
        left_out: keys that the model lacks, as it is a backbone; weights of theirs are not used.
    """

    name: str
    shapes: Shapes
    tables: Mapping[str, Table]
    grids: Grids
    left_out: frozenset[str] = frozenset()


def convert_state(state: Mapping[str, Tensor], base: Base, layout: str | None, to: str | None) -> dict[str, Tensor]:
    """A state dict in one layout, in another.

    Args:
        state: the weights.
        base: what they are for.
        layout: of `state`; None: identified by the exact set of keys.
        to: the layout that is wanted; None: ours.

    Raises:
        CheckpointError: with all that does not fit.
    """
    state, table = identify_table(state, base, layout)
    wanted = table_named(base.tables, to or OURS)
    ours = to_ours(state, table, base.shapes)
    return ours if wanted.layout == (OURS,) else to_theirs(ours, wanted, base.shapes, base.grids)


def identify_table(weights: Mapping[str, Tensor], base: Base, layout: str | None) -> tuple[Mapping[str, Tensor], Table]:
    """The table that weights are in, and the weights without what wrappers of models put before all of their keys.

    Args:
        weights: a state dict.
        base: what they may be for.
        layout: that a caller named; None: the one that has exactly these keys.

    Raises:
        CheckpointError: there is no such layout, or none has exactly these keys, or several have.
    """
    ours, tables = base.shapes, base.tables
    states = [*without_prefixes(weights)] or [weights]
    if layout is not None:
        table = table_named(tables, layout)
        return min(states, key=lambda state: distance(state, table, ours) if len(states) > 1 else 0), table
    for state in states:
        if _without_counters(state) == _without_counters(ours):
            return state, own_table()
    known = {OURS: own_table(), **tables}
    alike = (state for state in states[:-1] if any(distance(state, table, ours) == 0 for table in known.values()))
    state = next(alike, states[-1])
    return state, table_named(tables, identify_layout(state, known, ours))


def table_named(tables: Mapping[str, Table], layout: str) -> Table:
    """The table of a layout that a caller named."""
    if layout == OURS:
        return own_table()
    if layout not in tables:
        known = ", ".join(f"`{name}`" for name in (OURS, *tables))
        likely = near(layout, (OURS, *tables))
        hint = f" Did you mean `{likely}`?" if likely else f" {OWN}"
        raise CheckpointError(f"There is no layout `{layout}` for this spec; there are {known}.{hint}", code="E708")
    return tables[layout]


def load_into(
    model: nn.Module,
    source: str | Path | Mapping[str, Tensor],
    bases: Iterable[Base],
    layout: str | None = None,
    *,
    container: str | None = None,
    partial: bool = False,
    channels: str | None = None,
    initial_state: Callable[[], Mapping[str, Tensor]] = dict,
) -> Report:
    """Fill a model with weights, its own or those of a spec that it was edited from.

    Everything must fit by name and shape; tables of positions whose grid alone differs are resized, and a warning says
    what grid was taken for granted. A model on the meta device is moved to the CPU. Nothing of the model changes where
    the weights are refused.

    Args:
        model: what is filled; its types and devices stay.
        source: a file, or a state dict.
        bases: what the weights may be for: the model's own spec, then those that it was edited from, nearest first;
            the latter are read only where the weights are not its own.
        layout: of the weights; None: identified by the exact set of keys.
        container: where in the source the state dict is, if it holds several.
        partial: takes what fits by path, and leaves the rest of both sides as it is.
        channels: how the first convolution is fitted to other channels: one of `fitting.CHANNELS`.
        initial_state: the initial values of a model on the meta device, for what the weights do not hold.

    Raises:
        CheckpointError: with all that does not fit.
    """
    state, base, table = _base_of(tensors_of(source, container), bases, layout)
    fitting = Fitting(model, channels, base.grids)
    weights = _renamed(state, base, table, fitting, partial)
    _check_grids(base, weights)
    ways = fitting.fit(weights)
    tensors = {key: tensor for taken in ways.values() for key, tensor in taken.items()}
    new = tuple(key for key in fitting.shapes if key not in tensors)
    if not partial:
        _check_whole(base, weights, tensors, new, fitting)
    _check_values(tensors, model.state_dict())
    used = _used(table, base.shapes, tensors)
    _fill(model, tensors, new, initial_state)
    if assumed := fitting.assumed(weights):
        warnings.warn(_assumption(assumed), stacklevel=3)
    names = {way: tuple(taken) for way, taken in ways.items()}
    return Report(**names, new=new, unused=tuple(key for key in state if key not in used))


def _assumption(grids: Grids) -> str:
    """What to say of tables whose grids are taken for granted."""
    key, grid = next(iter(grids.items()))
    more = f" and {len(grids) - 1} more" if len(grids) > 1 else ""
    return f"The weights do not say for which grid `{key}`{more} is made; {grid_text(grid)} is assumed. {SIZE}"


def _base_of(
    weights: Mapping[str, Tensor], bases: Iterable[Base], layout: str | None
) -> tuple[Mapping[str, Tensor], Base, Table]:
    """The spec that has exactly these keys, or else that of the named layout which is nearest; weights and table."""
    nearest: tuple[int, Mapping[str, Tensor], Base, Table] | None = None
    refusal: CheckpointError | None = None
    served = False
    for base in bases:
        served = served or bool(base.tables)
        try:
            state, table = identify_table(weights, base, layout)
        except CheckpointError as error:
            refusal = refusal or error
            continue
        away = distance(state, table, base.shapes) if layout else 0
        if not away:
            return state, base, table
        if nearest is None or away < nearest[0]:
            nearest = away, state, base, table
    if nearest is None:
        assert refusal is not None
        raise refusal if served else CheckpointError(refusal.headline, (*refusal.problems, NAMELESS), code=refusal.code)
    return nearest[1:]


def _renamed(
    state: Mapping[str, Tensor], base: Base, table: Table, fitting: Fitting, partial: bool
) -> Mapping[str, Tensor]:
    """The weights with our names, and the shapes that they came with."""

    def misfit(key: str, tensor: Tensor, grid: Grid | None) -> str | None:
        return None if base.name or key in base.left_out else fitting.misfit(key, tensor, grid)

    try:
        weights = to_ours(state, table, base.shapes, misfit=take_any if partial else misfit, whole=not partial)
    except CheckpointError as error:
        raise CheckpointError(f"{error.headline} {PARTIAL}", error.problems, code=error.code) from None
    kept = {key: tensor for key, tensor in weights.items() if key not in base.left_out}
    return with_grids(kept, grids_of(weights)) if base.left_out else weights


def _check_grids(base: Base, weights: Mapping[str, Tensor]) -> None:
    """Complains of tables that say another grid than the caller's size of image gives."""
    problems = [
        f"`{key}` is made for {grid_text(grid)}, and this size would make it {grid_text(base.grids[key])}."
        for key, grid in grids_of(weights).items()
        if base.grids.get(key, grid) != grid
    ]
    if problems:
        raise CheckpointError(
            "The weights say themselves for which grids they are, and it is not this size.", problems, code="E705"
        )


def _check_whole(
    base: Base, weights: Mapping[str, Tensor], tensors: Mapping[str, Tensor], new: tuple[str, ...], fitting: Fitting
) -> None:
    """Complains of all that the weights of another spec leave over on either side."""
    grids, problems = grids_of(weights), []
    left = [key for key in weights if key not in tensors]
    for key in sorted(left, key=lambda key: key not in fitting.shapes):
        shape = list(weights[key].shape)
        if key not in fitting.shapes:
            problems.append(f"`{key}` of shape {shape} has no place in the model.")
            continue
        remedy = fitting.misfit(key, weights[key], grids.get(key))
        problems.append(f"Our `{key}` has shape {list(fitting.shapes[key])}, found {shape}.{remedy}")
    problems += [f"Our `{key}` is not among the weights." for key in new if key not in weights and not is_counter(key)]
    if problems:
        raise CheckpointError(
            f"The weights are those of `{base.name}`, and the model is another. {PARTIAL}", problems, code="E707"
        )


def _used(table: Table, ours: Shapes, tensors: Mapping[str, Tensor]) -> set[str]:
    """Keys of theirs of which the model takes something."""
    plan = make_plan(table, ours)
    steps = {key for step in plan.steps if any(mine in tensors for mine in step.ours) for key in step.theirs}
    return steps | {theirs for theirs, mine in plan.counters if mine in tensors}


def _check_values(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    problems = []
    for key, tensor in tensors.items():
        kind = own[key].dtype
        if tensor.is_floating_point() != kind.is_floating_point:
            problems.append(f"Our `{key}` holds {kind}, found {tensor.dtype}.")
        elif not (finite := tensor.to(kind).isfinite()).all():
            count = f"{int(finite.logical_not().sum()):,} of {tensor.numel():,} numbers"
            problems.append(f"Our `{key}` gets {count} that are NaN or infinite as {kind}.")
    if problems:
        raise CheckpointError("The weights do not fit the model.", problems, code="E706")


def tensors_of(source: str | Path | Mapping[str, Any], container: str | None = None) -> Mapping[str, Tensor]:
    """The state dict in a file or in a mapping.

    Raises:
        CheckpointError: there is none, or several.
    """
    if isinstance(source, Mapping):
        return state_in(source, container, "the weights given")[0]
    return read_weights(source, container=container).tensors


def _fill(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
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
    model.load_state_dict({**tensors, **missing}, strict=True)


def _without_counters(keys: Iterable[str]) -> set[str]:
    return {key for key in keys if not is_counter(key)}
