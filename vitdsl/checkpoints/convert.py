"""State dicts of other people's models to ours, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from vitdsl.checkpoints import steps
from vitdsl.checkpoints.computed import FUNCTIONS
from vitdsl.checkpoints.keys import number
from vitdsl.checkpoints.plan import Plan, Step, Written, dropped_by, is_counter, make_plan
from vitdsl.checkpoints.tables import Table
from vitdsl.errors import LISTED_PROBLEMS, CheckpointError, near

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, Sequence[int]]
Grids = Mapping[str, tuple[int, int]]
Accept = Callable[[str, "Tensor"], bool]


def nothing_else(key: str, tensor: Tensor) -> bool:
    """Accepts no tensor of another shape."""
    return False


def no_remedy(key: str, tensor: Tensor) -> str:
    """Nothing to say."""
    return ""


def anything(key: str, tensor: Tensor) -> bool:
    """Accepts tensors of all shapes."""
    return True


def to_ours(
    theirs: Mapping[str, Tensor],
    table: Table,
    ours: Shapes,
    *,
    accept: Accept = nothing_else,
    remedy: Callable[[str, Tensor], str] = no_remedy,
    whole: bool = True,
) -> dict[str, Tensor]:
    """Rename and rearrange their weights as `table` says.

    Tensors that no row rearranges are passed on, not copied.

    Args:
        theirs: their state dict.
        table: rows for this very spec (`tables_for` gives them).
        ours: the shape of each of our keys.
        accept: whether a tensor of another shape than our key's will do, because the caller resizes or replaces it.
        remedy: what to do about a tensor that will not do.
        whole: False makes what can be made, and leaves the rest out.

    Returns:
        Our state dict, in the order of `ours`. Batch counters that they lack are left out.

    Raises:
        CheckpointError: with every key that is missing, unexpected, used twice or of another shape.
    """
    plan = make_plan(table, ours)
    problems = [*plan.problems] if whole else []
    if whole:
        _check_keys(theirs, table, plan, problems)
    made: dict[str, Tensor] = {}
    for step in plan.steps:
        if all(key in theirs for key in step.theirs):
            made |= _forward(step, theirs, ours, accept, remedy, problems)
    if whole and problems:
        raise CheckpointError(f"The weights do not fit the table {table.name}.", problems)
    made |= {mine: theirs[key] for key, mine in plan.counters if key in theirs}
    return {key: made[key] for key in ours if key in made}


def to_theirs(
    state: Mapping[str, Tensor], table: Table, ours: Shapes | None = None, grids: Grids | None = None
) -> dict[str, Tensor]:
    """Write our weights with their names and layouts: the inverse of `to_ours`, but for dropped keys.

    Args:
        state: our state dict.
        table: rows for this very spec.
        ours: the shape of each of our keys, to compare `state` with; default, `state` is taken to be whole.
        grids: those of our tables of positions, by key, for rows that need them.

    Raises:
        CheckpointError: with every key that is missing, unexpected, made twice or of another shape.
    """
    plan = make_plan(table, state if ours is None else ours)
    problems = [*plan.problems]
    if ours is not None:
        _check_ours(state, ours, problems)
    made: dict[str, Tensor] = {}
    for step in plan.steps:
        if all(key in state for key in step.ours):
            made |= _backward(step, state, grids or {}, problems)
    for written in plan.written:
        if written.ours in state:
            made |= _written(written, state[written.ours], problems)
    if problems:
        raise CheckpointError(f"The weights cannot be written with the table {table.name}.", problems)
    return made | {key: state[mine] for key, mine in plan.counters if mine in state}


def _check_keys(theirs: Mapping[str, Tensor], table: Table, plan: Plan, problems: list[str]) -> None:
    unused = [key for key in theirs if key not in plan.users and not is_counter(key)]
    missing = [(key, step) for step in plan.steps for key in step.theirs if key not in theirs]
    for key, step in missing:
        problems.append(
            _with_nearest(f"Their key `{key}` is missing; our `{step.ours[0]}` is made of it.", key, unused, problems)
        )
    for key in theirs:
        row = dropped_by(table, key)
        if row is not None and key in plan.users:
            problems.append(f"Their key `{key}` is used twice: by row `{plan.users[key]}` and by row `{row}`.")
    for key in unused:
        if dropped_by(table, key) is None:
            candidates = [each for each, _ in missing]
            problems.append(
                _with_nearest(
                    f"Their key `{key}` of shape {_shape(theirs[key])} is unexpected.", key, candidates, problems
                )
            )


def _check_ours(state: Mapping[str, Tensor], ours: Shapes, problems: list[str]) -> None:
    unexpected = [key for key in state if key not in ours]
    for key in ours:
        if key not in state and not is_counter(key):
            problems.append(_with_nearest(f"Our key `{key}` is missing.", key, unexpected, problems))
    for key, tensor in state.items():
        if key not in ours:
            problems.append(
                _with_nearest(f"Our key `{key}` of shape {_shape(tensor)} is unexpected.", key, ours, problems)
            )
        elif _shape(tensor) != list(ours[key]):
            problems.append(f"Our `{key}` has shape {_shape(tensor)}, expected {list(ours[key])}.")


def _forward(
    step: Step,
    theirs: Mapping[str, Tensor],
    ours: Shapes,
    accept: Accept,
    remedy: Callable[[str, Tensor], str],
    problems: list[str],
) -> dict[str, Tensor]:
    found = [theirs[key] for key in step.theirs]
    try:
        made = dict(zip(step.ours, steps.forward(step.row, found), strict=True))
    except ValueError as error:
        problems.append(f"Row `{step.row}` does not fit {_described(step.theirs, found)}: {error}.")
        return {}
    for key, tensor in made.items():
        if key in ours and _shape(tensor) != list(ours[key]) and not accept(key, tensor):
            gives = "" if len(found) == 1 and found[0].shape == tensor.shape else f", which gives {_shape(tensor)}"
            found_as = f"{_described(step.theirs, found)}{gives}"
            message = f"Our `{key}` has shape {list(ours[key])}, found {found_as} (row `{step.row}`)."
            problems.append(message + remedy(key, tensor))
    return made


def _backward(step: Step, state: Mapping[str, Tensor], grids: Grids, problems: list[str]) -> dict[str, Tensor]:
    found = [state[key] for key in step.ours]
    try:
        return dict(zip(step.theirs, steps.backward(step.row, found, grids.get(step.ours[0])), strict=True))
    except ValueError as error:
        problems.append(f"Row `{step.row}` does not fit our {_described(step.ours, found)}: {error}.")
        return {}


def _written(written: Written, beside: Tensor, problems: list[str]) -> dict[str, Tensor]:
    row, bound = written.row, written.row.numbers(written.bound, beside.shape)
    try:
        if row.write == "zeros":
            return {written.theirs: beside.new_zeros([number(size, bound) for size in row.shape or ()])}
        if row.write == "computed":
            args = {name: number(value, bound) for name, value in row.args.items()}
            return {written.theirs: FUNCTIONS[row.function or ""](beside, **args)}
    except (ValueError, RuntimeError) as error:
        problems.append(f"Row `{row}` cannot write `{written.theirs}` beside our `{written.ours}`: {error}.")
    return {}


def _with_nearest(message: str, key: str, candidates: Iterable[str], before: Sequence[str]) -> str:
    """A message about a key, with the right key that is nearest to it.

    The search is slow, so it is made for the first problems only, which are those that a message shows.
    """
    found = near(key, candidates) if len(before) < LISTED_PROBLEMS else None
    return f"{message} The nearest key is `{found}`." if found else message


def _shape(tensor: Tensor) -> list[int]:
    return list(tensor.shape)


def _described(keys: Sequence[str], tensors: Sequence[Tensor]) -> str:
    each = [f"`{key}` of shape {_shape(tensor)}" for key, tensor in zip(keys, tensors, strict=True)]
    return " and ".join(each)
