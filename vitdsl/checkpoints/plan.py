"""A table applied to keys, before any tensor is read: which become which, and which table some keys are in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from vitdsl.checkpoints.rows import Drop, Move
from vitdsl.checkpoints.tables import Table
from vitdsl.errors import CheckpointError

OWN = "`layout=`, or `--layout`, takes a table of your own."


def is_counter(key: str) -> bool:
    """Whether the key counts batches: copied where both sides have it, and never missed."""
    return key.rsplit(".", 1)[-1] == "num_batches_tracked"


@dataclass(frozen=True)
class Step:
    """One use of a row: these keys of theirs become these of ours."""

    row: Move
    theirs: tuple[str, ...]
    ours: tuple[str, ...]

    @property
    def renames(self) -> bool:
        """Whether one tensor becomes one."""
        return len(self.theirs) == len(self.ours) == 1


@dataclass(frozen=True)
class Restored:
    """A key of theirs that is dropped, and written back beside the key of ours that gives its sizes."""

    row: Drop
    theirs: str
    ours: str
    bound: Mapping[str, str]


@dataclass
class Plan:
    """All uses of a table's rows.

    Attributes:
        steps: tensors that become others.
        counters: their counters and ours, as far as both may exist.
        restored: dropped keys that stand beside one of ours.
        users: the row that uses each of their keys.
        problems: what is wrong with the table for these keys.
    """

    steps: list[Step] = field(default_factory=list)
    counters: list[tuple[str, str]] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    users: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def use(self, row: Move | Drop, keys: Iterable[str]) -> None:
        """Note that `row` uses these keys of theirs, and complain of those that are used already."""
        for key in keys:
            if key in self.users:
                self.problems.append(f"Their key `{key}` is used twice: by row `{self.users[key]}` and by row `{row}`.")
            self.users.setdefault(key, str(row))


def make_plan(table: Table, ours: Iterable[str]) -> Plan:
    """The plan of `table` for a model whose keys are `ours`."""
    plan, keys = Plan(), dict.fromkeys(ours)
    makers: dict[str, Move] = {}
    groups: set[tuple[int, tuple[str, ...]]] = set()
    idle = {id(row) for row in table.moves}
    for key in keys:
        for row in table.moves:
            bound = row.match(key)
            if bound is None:
                continue
            idle.discard(id(row))
            if key in makers:
                plan.problems.append(f"Our key `{key}` is made twice: by row `{makers[key]}` and by row `{row}`.")
            makers.setdefault(key, row)
            group = (id(row), row.ours(bound))
            if group not in groups:
                groups.add(group)
                _add_step(plan, row, bound, keys)
        if key not in makers and not is_counter(key):
            plan.problems.append(f"Our key `{key}` is made by no row.")
    for drop in table.drops:
        _add_restored(plan, drop, keys)
    unused = [row for row in table.moves if id(row) in idle]
    plan.problems += [f"Row `{row}` is of no use: it matches none of our keys." for row in unused]
    return plan


def _add_step(plan: Plan, row: Move, bound: Mapping[str, str], keys: Mapping[str, None]) -> None:
    ours = row.ours(bound)
    try:
        theirs = row.theirs(bound)
    except ValueError as error:
        plan.problems.append(f"Row `{row}` has no key of theirs for our `{ours[0]}`: {error}.")
        return
    if any(map(is_counter, ours)):
        # A counter of several joined norms would be any of them: only counters that stay whole are carried over.
        if len(ours) == len(theirs) == 1:
            plan.counters.append((theirs[0], ours[0]))
            plan.use(row, theirs)
        return
    missing = [key for key in ours if key not in keys]
    if missing:
        plan.problems.append(f"Row `{row}` also makes `{missing[0]}`, which is not one of our keys.")
    plan.steps.append(Step(row, theirs, ours))
    plan.use(row, theirs)


def _add_restored(plan: Plan, row: Drop, keys: Mapping[str, None]) -> None:
    if row.each is None:
        return
    found = [(key, bound) for key in keys if (bound := row.match(key)) is not None]
    if not found:
        plan.problems.append(f"Row `{row}` is of no use: `{row.each}` matches none of our keys.")
    for key, bound in found:
        try:
            theirs = row.theirs(bound)
        except ValueError as error:
            plan.problems.append(f"Row `{row}` has no key of theirs beside our `{key}`: {error}.")
            continue
        plan.use(row, theirs)
        plan.restored += [Restored(row, each, key, bound) for each in theirs]


def dropped_by(table: Table, key: str) -> Drop | None:
    """The row that drops this key of theirs by a pattern, if one does."""
    return next((row for row in table.drops if row.each is None and row.match(key) is not None), None)


def identify_layout(keys: Collection[str], tables: Mapping[str, Table], ours: Iterable[str]) -> str:
    """The layout whose table expects exactly these keys; batch counters and dropped keys may lack.

    Args:
        keys: keys of the weights in question.
        tables: what they may be (`tables_for`). Names of one and the same table are one candidate.
        ours: our keys.

    Raises:
        CheckpointError: where no table fits, or several do; lists the candidates.
    """
    ours, keys = list(ours), dict.fromkeys(keys)
    layouts: dict[int, str] = {}
    for layout, table in tables.items():
        layouts.setdefault(id(table), layout)
    differences = {layout: _differences(keys, tables[layout], ours) for layout in layouts.values()}
    fitting = [layout for layout, (missing, unexpected) in differences.items() if not missing and not unexpected]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        candidates = "Candidates: " + ", ".join(f"`{name}`" for name in fitting) + "."
        raise CheckpointError("The keys fit several layouts; name the one that is meant.", [candidates], code="E708")
    lines = [
        f"`{layout}`: {_counted(missing, 'missing')}, {_counted(unexpected, 'unexpected')}."
        for layout, (missing, unexpected) in sorted(differences.items(), key=lambda item: sum(map(len, item[1])))
    ]
    raise CheckpointError(
        f"The keys fit none of the layouts known for this spec. {OWN}", lines or ["There are none."], code="E708"
    )


def distance(keys: Collection[str], table: Table, ours: Iterable[str]) -> int:
    """How many keys are missing or unexpected, or made by no row: 0 where a table fits exactly."""
    ours = list(ours)
    missing, unexpected = _differences(dict.fromkeys(keys), table, ours)
    return len(missing) + len(unexpected) + len(make_plan(table, ours).problems)


def _differences(keys: Mapping[str, None], table: Table, ours: list[str]) -> tuple[list[str], list[str]]:
    plan = make_plan(table, ours)
    missing = [key for step in plan.steps for key in step.theirs if key not in keys]
    unexpected = [
        key for key in keys if key not in plan.users and not is_counter(key) and dropped_by(table, key) is None
    ]
    return missing, unexpected


def _counted(keys: list[str], what: str) -> str:
    return f"{len(keys)} {what}" + (f" (`{keys[0]}`)" if keys else "")
