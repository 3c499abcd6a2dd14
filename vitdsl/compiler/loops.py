"""Calls of modules one after another: those of a whole container become its call, equal ones become a loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from vitdsl.compiler.statements import Forward, Statement, Value

Below = Callable[[str], Sequence[str]]
"""The names of the modules below a path, in order."""
Places = Callable[[str], dict[str, int]]
"""The place of each module below a path, by name."""


class Loop(NamedTuple):
    """Calls of modules one after another, which differ in the module alone.

    Attributes:
        calls: the statements.
        flows: which arguments are outputs of the call before: index of the argument, index of the output.
    """

    calls: list[Statement]
    flows: dict[int, int]


Item = Statement | Loop


def merge_chains(forward: Forward, below: Below) -> set[str]:
    """Turns calls of all layers of a container, one after another, into calls of the container.

    Args:
        forward: is changed.
        below: the names of modules below a path.

    Returns:
        The paths of these containers.
    """
    chains: set[str] = set()
    while found := [*_chains(forward, below)]:
        for path, first, last in reversed(found):
            calls = forward.statements[first:last]
            merged = Statement("module", path, calls[0].arguments, {}, calls[-1].outputs)
            forward.statements[first:last] = [merged]
            merged.outputs[0].maker = merged
            merged.outputs[0].hint = ""
            chains.add(path)
    return chains


def _chains(forward: Forward, below: Below) -> Iterator[tuple[str, int, int]]:
    """The paths of containers, and the places of the calls of their layers."""
    uses, statements = count_uses(forward), forward.statements
    owners = Counter(path for each in statements for layer in each.layers() for path in _above(layer))
    owners.update(path for each in statements if each.kind == "parameter" for path in _above(each.target))
    for first, statement in enumerate(statements):
        path = statement.target.rpartition(".")[0] if statement.kind == "module" else ""
        names = below(path) if path else ()
        if len(names) < 2 or statement.target != f"{path}.{names[0]}":
            continue
        last = first + len(names)
        calls = statements[first:last]
        if [each.target for each in calls] != [f"{path}.{name}" for name in names]:
            continue
        if not all(map(_is_plain, calls)) or owners[path] != len(names):
            continue
        if all(a.outputs[0] is b.arguments[0] and uses[a.outputs[0]] == 1 for a, b in pairwise(calls)):
            yield path, first, last


def _is_plain(statement: Statement) -> bool:
    """Whether a statement is the call of a module with one value that gives one."""
    if statement.kind != "module" or statement.named or len(statement.outputs) != 1:
        return False
    return len(statement.arguments) == 1 and isinstance(statement.arguments[0], Value)


def _above(path: str) -> Iterator[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def count_uses(forward: Forward) -> Counter[Value]:
    """How often each value is read."""
    returned = forward.returned
    uses = Counter(value for statement in forward.statements for value in statement.reads())
    uses.update(returned.values)
    return uses


def find_loops(forward: Forward, below: Below) -> list[Item]:
    """The statements, with calls that differ in the module alone as loops."""
    uses, items, at = count_uses(forward), list[Item](), 0

    @cache
    def places(path: str) -> dict[str, int]:
        return {name: place for place, name in enumerate(below(path))}

    while at < len(forward.statements):
        loop = _loop(forward.statements, at, uses, places)
        items.append(forward.statements[at] if loop is None else loop)
        at += 1 if loop is None else len(loop.calls)
    return items


def _loop(statements: list[Statement], at: int, uses: Counter[Value], places: Places) -> Loop | None:
    calls, flows = [statements[at]], dict[int, int]()
    for index in range(at + 1, len(statements)):
        follower = statements[index]
        found = _flows(calls[-1], follower, uses)
        if found is None or (len(calls) > 1 and found != flows):
            break
        if not _are_neighbours(calls[-1].target, follower.target, places):
            break
        calls.append(follower)
        flows = found
    return Loop(calls, flows) if len(calls) > 1 else None


def _flows(call: Statement, follower: Statement, uses: Counter[Value]) -> dict[int, int] | None:
    """Which arguments of a call are outputs of the one before; None: the two cannot be turns of one loop."""
    if {call.kind, follower.kind} != {"module"} or call.named or follower.named:
        return None
    if len(call.arguments) != len(follower.arguments) or len(call.outputs) != len(follower.outputs):
        return None
    flows: dict[int, int] = {}
    for place, (before, after) in enumerate(zip(call.arguments, follower.arguments, strict=True)):
        if after in call.outputs:
            flows[place] = call.outputs.index(after)
        elif before is not after and before != after:
            return None
    used = Counter(flows.values())
    return flows if all(uses[each] == used[i] == 1 for i, each in enumerate(call.outputs)) else None


def _are_neighbours(path: str, other: str, places: Places) -> bool:
    """Whether two modules stand side by side in one container, both by number."""
    (above, _, name), (above_other, _, name_other) = path.rpartition("."), other.rpartition(".")
    if above != above_other or not (name.isdigit() and name_other.isdigit()):
        return False
    return places(above)[name] + 1 == places(above)[name_other]
