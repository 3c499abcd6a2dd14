"""Liveness: which tokens of each value the returned outputs depend on."""

from __future__ import annotations

from collections.abc import Sequence

from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, Node, joined
from vitdsl.graph.operators import Combine, Join, LearnedTokens, Put, Take

Tokens = tuple[tuple[int, int], ...]
"""The live tokens of a value, as half-open ranges (start, stop), sorted and disjoint."""


def all_of(x: Feature) -> Tokens:
    """Every token of a feature."""
    return ((0, x.num_tokens),)


def part(tokens: Tokens, start: int, stop: int, first: int = 0) -> Tokens:
    """The tokens in [start, stop), renumbered so that `start` becomes `first`."""
    moved = first - start
    return tuple([(max(a, start) + moved, min(b, stop) + moved) for a, b in tokens if a < stop and b > start])


def union(one: Tokens, other: Tokens) -> Tokens:
    """The tokens in either of two."""
    if not one or not other or one == other:
        return one or other
    found: list[tuple[int, int]] = []
    for a, b in sorted((*one, *other)):
        if found and a <= found[-1][1]:
            found[-1] = (found[-1][0], max(b, found[-1][1]))
        else:
            found.append((a, b))
    return tuple(found)


def unreached(graph: Graph) -> tuple[str, ...]:
    """Module paths of nodes with parameters whose results no returned output depends on, in order of execution.

    Learned tokens count one by one, each with its own path.
    """
    live: dict[int, Tokens] = {}
    returned = [graph.outputs[name] for name in graph.evaluation or graph.outputs]
    for number in (*returned, *(graph.training or {}).values()):
        live[number] = all_of(graph.frame.features[number])
    read: set[str] = set()
    dead: dict[str, None] = {}
    _frame(graph.frame, live, "", read, dead)
    order = {path: place for place, (path, _, _) in enumerate(graph.frame.nodes())}
    place = {path: order.get(path, order.get(path.rpartition(".")[0], 0)) for path in dead if path not in read}
    return tuple(sorted(place, key=place.__getitem__))


def _frame(frame: Frame, live: dict[int, Tokens], prefix: str, read: set[str], dead: dict[str, None]) -> None:
    """Goes backwards through a frame; fills `live`, and sorts module paths into `read` and `dead`."""
    for step in reversed(frame.steps):
        if isinstance(step, Call):
            _call(frame, step, live, prefix, read, dead)
            continue
        out = live.get(step.output, ())
        if step.cost.params or step.shared:
            path = joined(prefix, step.path)
            if out and isinstance(step.op, LearnedTokens):
                unread = [name for index, name in enumerate(step.op.names) if not part(out, index, index + 1)]
                dead.update(dict.fromkeys(f"{path}.{name}" for name in unread))
            if out:
                read.add(path)
            elif not step.shared:
                dead.setdefault(path)
        if out:
            for number, tokens in zip(step.inputs, wanted(frame, step, out), strict=True):
                live[number] = union(live.get(number, ()), tokens)


def _call(
    frame: Frame, step: Call, live: dict[int, Tokens], prefix: str, read: set[str], dead: dict[str, None]
) -> None:
    """Goes backwards through the repetitions of a call."""
    state = {name: live.get(number, ()) for name, number in step.gives.items()}
    appended = {name: live.get(number, ()) for name, number in step.appends.items()}
    left = {name: frame.features[number].num_tokens for name, number in step.appends.items()}
    for path, inner in reversed(list(step.paths())):
        inside: dict[int, Tokens] = {}
        for name, number in inner.outputs.items():
            inside[number] = union(inside.get(number, ()), state.get(name, ()))
        for name, numbers in inner.appends.items():
            for number in reversed(numbers):
                x = inner.features[number]
                left[name] -= x.num_tokens
                tokens = part(appended[name], left[name], left[name] + x.num_tokens)
                inside[number] = union(inside.get(number, ()), tokens)
        for name in inner.outputs:
            state[name] = ()
        _frame(inner, inside, joined(prefix, path), read, dead)
        for name, number in inner.inputs.items():
            state[name] = union(state.get(name, ()), inside.get(number, ()))
    for name, number in step.reads.items():
        live[number] = union(live.get(number, ()), state.get(name, ()))


def wanted(frame: Frame, node: Node, out: Tokens) -> Sequence[Tokens]:
    """The live tokens of each operand, for these live tokens of the result."""
    op, inputs = node.op, [frame.features[number] for number in node.inputs]
    whole = [all_of(x) for x in inputs]
    tokens = frame.features[node.output].num_tokens
    if isinstance(op, Take):
        return [part(out, 0, tokens, op.start)]
    if isinstance(op, Put):
        after = op.start + inputs[1].num_tokens
        return [union(part(out, 0, op.start), part(out, after, tokens, op.stop)), part(out, op.start, after)]
    if isinstance(op, Join):
        starts = [sum(x.num_tokens for x in inputs[:index]) for index in range(len(inputs))]
        return [part(out, start, start + x.num_tokens) for start, x in zip(starts, inputs, strict=True)]
    if isinstance(op, Combine):
        return [out if x.num_tokens == tokens else all_of(x) for x in inputs]
    if op.by_query:
        return [out, *whole[1:]]
    if op.mixes or op.by_statistics or not inputs or inputs[0].num_tokens != tokens:
        return whole
    return [out, *whole[1:]]
