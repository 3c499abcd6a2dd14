"""State dicts of other people's models to ours, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from vitdsl.checkpoints import operations
from vitdsl.checkpoints.keys import number
from vitdsl.checkpoints.plan import Plan, Restored, Step, dropped_by, is_counter, make_plan
from vitdsl.checkpoints.state import grids_of, with_grids
from vitdsl.checkpoints.tables import Table
from vitdsl.errors import LISTED_PROBLEMS, CheckpointError, near

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.checkpoints.state import Grids
    from vitdsl.layers.tables import Grid

Shapes = Mapping[str, Sequence[int]]
Misfit = Callable[[str, "Tensor", "Grid | None"], str | None]
"""Judges the tensor of one of our keys, with its grid where that is known: None: it fits; else a remedy, or ''."""


def take_any(key: str, tensor: Tensor, grid: Grid | None) -> None:
    """The `Misfit` that takes tensors of all shapes."""


def to_ours(
    theirs: Mapping[str, Tensor], table: Table, ours: Shapes, *, misfit: Misfit | None = None, whole: bool = True
) -> dict[str, Tensor]:
    """Rename and rearrange their weights as `table` says.

    Tensors that no row rearranges are passed on, not copied.

    Args:
        theirs: their state dict.
        table: rows for this very spec (`tables_for` gives them).
        ours: the shape of each of our keys.
        misfit: judges each tensor, where the caller resizes some; None: each must have the shape of our key.
        whole: False converts what can be converted, and leaves the rest out.

    Returns:
        Our state dict, in the order of `ours`, with the grids that their metadata or shapes say. Batch counters that
        they lack are left out.

    Raises:
        CheckpointError: with every key that is missing, unexpected, used twice or of another shape.
    """
    plan, their_grids = make_plan(table, ours), grids_of(theirs)
    problems = [*plan.problems] if whole else []
    if whole:
        _check_keys(theirs, table, plan, problems)
    result: dict[str, Tensor] = {}
    grids: dict[str, Grid] = {}
    for step in plan.steps:
        if all(key in theirs for key in step.theirs):
            tensors = [theirs[key] for key in step.theirs]
            if step.renames and (grid := operations.grid_in(step.row, tensors[0]) or their_grids.get(step.theirs[0])):
                grids[step.ours[0]] = grid
            result |= _forward(step, tensors, ours, grids, misfit, problems)
    if whole and problems:
        raise CheckpointError(f"The weights do not fit the table {table.name}.", problems, code="E706")
    result |= {mine: theirs[key] for key, mine in plan.counters if key in theirs}
    return with_grids({key: result[key] for key in ours if key in result}, grids)


def to_theirs(
    state: Mapping[str, Tensor], table: Table, ours: Shapes | None = None, grids: Grids | None = None
) -> dict[str, Tensor]:
    """Write our weights with their names and layouts: the inverse of `to_ours`, but for dropped keys.

    Args:
        state: our state dict.
        table: rows for this very spec.
        ours: the shape of each of our keys, to compare `state` with; default, `state` is taken to be whole.
        grids: those of our tables of positions, by key, for rows that need them; what `state` says of its own counts.

    Returns:
        Their state dict, with the grids that `state` says.

    Raises:
        CheckpointError: with every key that is missing, unexpected, made twice or of another shape.
    """
    plan = make_plan(table, state if ours is None else ours)
    problems = [*plan.problems]
    if ours is not None:
        _check_ours(state, ours, problems)
    own_grids = grids_of(state)
    needed = {**(grids or {}), **own_grids}
    result: dict[str, Tensor] = {}
    for step in plan.steps:
        if all(key in state for key in step.ours):
            result |= _backward(step, [state[key] for key in step.ours], needed.get(step.ours[0]), problems)
    for restored in plan.restored:
        if restored.ours in state:
            result |= _restore(restored, state[restored.ours], problems)
    if problems:
        raise CheckpointError(f"The weights cannot be written with the table {table.name}.", problems, code="E706")
    result |= {key: state[mine] for key, mine in plan.counters if mine in state}
    renames = {step.ours[0]: step.theirs[0] for step in plan.steps if step.renames}
    return with_grids(result, {renames[key]: grid for key, grid in own_grids.items() if key in renames})


def _check_keys(theirs: Mapping[str, Tensor], table: Table, plan: Plan, problems: list[str]) -> None:
    unused = [key for key in theirs if key not in plan.users and not is_counter(key)]
    missing = [(key, step.ours[0]) for step in plan.steps for key in step.theirs if key not in theirs]
    for key, mine in missing:
        _add(problems, f"Their key `{key}` is missing; our `{mine}` is made of it.", key, unused)
    for key in theirs:
        row = dropped_by(table, key)
        if row is not None and key in plan.users:
            problems.append(f"Their key `{key}` is used twice: by row `{plan.users[key]}` and by row `{row}`.")
    for key in unused:
        if dropped_by(table, key) is None:
            _add(problems, f"Their key `{key}` of shape {_shape(theirs[key])} is unexpected.", key, dict(missing))


def _check_ours(state: Mapping[str, Tensor], ours: Shapes, problems: list[str]) -> None:
    unexpected = [key for key in state if key not in ours]
    for key in ours:
        if key not in state and not is_counter(key):
            _add(problems, f"Our key `{key}` is missing.", key, unexpected)
    for key, tensor in state.items():
        if key not in ours:
            _add(problems, f"Our key `{key}` of shape {_shape(tensor)} is unexpected.", key, ours)
        elif _shape(tensor) != list(ours[key]):
            problems.append(f"Our `{key}` has shape {_shape(tensor)}, expected {list(ours[key])}.")


def _forward(
    step: Step, tensors: Sequence[Tensor], ours: Shapes, grids: Grids, misfit: Misfit | None, problems: list[str]
) -> dict[str, Tensor]:
    found = _described(step.theirs, tensors)
    try:
        result = dict(zip(step.ours, operations.forward(step.row, tensors), strict=True))
    except ValueError as error:
        problems.append(f"Row `{step.row}` does not fit {found}: {error}.")
        return {}
    for key, tensor in result.items():
        if key not in ours:
            continue
        fits = _shape(tensor) == list(ours[key])
        remedy = misfit(key, tensor, grids.get(key)) if misfit else None if fits else ""
        if remedy is not None:
            same = len(tensors) == 1 and tensors[0].shape == tensor.shape
            gives = "" if same else f", which gives {_shape(tensor)}"
            problems.append(
                f"Our `{key}` has shape {list(ours[key])}, found {found}{gives} (row `{step.row}`).{remedy}"
            )
    return result


def _backward(step: Step, tensors: Sequence[Tensor], grid: Grid | None, problems: list[str]) -> dict[str, Tensor]:
    try:
        return dict(zip(step.theirs, operations.backward(step.row, tensors, grid), strict=True))
    except ValueError as error:
        problems.append(f"Row `{step.row}` does not fit our {_described(step.ours, tensors)}: {error}.")
        return {}


def _restore(restored: Restored, beside: Tensor, problems: list[str]) -> dict[str, Tensor]:
    """A dropped tensor of theirs, as its row says that it is written."""
    row, key = restored.row, restored.theirs
    numbers = row.numbers(restored.bound, beside.shape)
    try:
        if row.write == "zeros":
            return {key: beside.new_zeros([number(size, numbers) for size in row.shape or ()])}
        if row.write == "computed":
            args = {name: number(value, numbers) for name, value in row.args.items()}
            return {key: operations.FUNCTIONS[row.function or ""](beside, **args)}
    except (ValueError, RuntimeError) as error:
        problems.append(f"Row `{row}` cannot write `{key}` beside our `{restored.ours}`: {error}.")
    return {}


def _add(problems: list[str], message: str, key: str, candidates: Iterable[str]) -> None:
    """Adds a message about a key, with the right key that is nearest to it.

    The search is slow, so it is made for the first problems only, which are those that an error shows.
    """
    nearest = near(key, candidates) if len(problems) < LISTED_PROBLEMS else None
    problems.append(f"{message} The nearest key is `{nearest}`." if nearest else message)


def _shape(tensor: Tensor) -> list[int]:
    return list(tensor.shape)


def _described(keys: Sequence[str], tensors: Sequence[Tensor]) -> str:
    return " and ".join(f"`{key}` of shape {_shape(tensor)}" for key, tensor in zip(keys, tensors, strict=True))
