"""What the returned outputs read: liveness of every token apart, as the bits of a number."""

from __future__ import annotations

from collections.abc import Sequence

from vitdsl.features import Feature
from vitdsl.graph.frames import Call, Frame, Graph, Node, joined
from vitdsl.graph.operators import Combine, Join, LearnedTokens, Put, Take

Tokens = int
"""Bit i says whether token i is read."""
BY_QUERY = ("attend", "modulate", "performer_attend")
"""Mixers: an output token depends on its own query alone, and on all keys and values."""
BY_STATISTICS = ("batch",)
"""Norms whose statistics, while training, read every token."""


def all_of(x: Feature) -> Tokens:
    """Every token of a feature."""
    return (1 << x.num_tokens) - 1


def unreached(graph: Graph) -> tuple[str, ...]:
    """Module paths of the nodes with parameters that no returned output reads, in order of execution.

    Of learned tokens some of which are read, the path of each other one.
    """
    live: dict[int, Tokens] = {}
    returned = [graph.outputs[name] for name in graph.evaluation]
    for number in (*returned, *(graph.training or {}).values()):
        live[number] = all_of(graph.frame.features[number])
    read: set[str] = set()
    dead: dict[str, None] = {}
    _frame(graph.frame, live, "", read, dead)
    order = {path: place for place, (path, _, _) in enumerate(graph.frame.nodes())}
    place = {path: order.get(path, order.get(path.rpartition(".")[0], 0)) for path in dead if path not in read}
    return tuple(sorted(place, key=place.__getitem__))


def _frame(frame: Frame, live: dict[int, Tokens], prefix: str, read: set[str], dead: dict[str, None]) -> None:
    """Goes backwards through a frame; fills `live`, and sorts its paths into read ones and others."""
    for step in reversed(frame.steps):
        if isinstance(step, Call):
            _call(frame, step, live, prefix, read, dead)
            continue
        out = live.get(step.output, 0)
        if step.cost.params or step.shared:
            path = joined(prefix, step.path)
            if out and isinstance(step.op, LearnedTokens):
                dead.update(dict.fromkeys(f"{path}.{n}" for i, n in enumerate(step.op.names) if not out >> i & 1))
            if out:
                read.add(path)
            elif not step.shared:
                dead.setdefault(path)
        if out:
            for number, wanted in zip(step.inputs, _wanted(frame, step, out), strict=True):
                live[number] = live.get(number, 0) | wanted


def _call(
    frame: Frame, step: Call, live: dict[int, Tokens], prefix: str, read: set[str], dead: dict[str, None]
) -> None:
    """Goes backwards through the repetitions of a call."""
    state = {name: live.get(number, 0) for name, number in step.gives.items()}
    appended = {name: live.get(number, 0) for name, number in step.appends.items()}
    left = {name: frame.features[number].num_tokens for name, number in step.appends.items()}
    for path, inner in reversed(list(step.paths())):
        inside: dict[int, Tokens] = {}
        for name, number in inner.outputs.items():
            inside[number] = inside.get(number, 0) | state.get(name, 0)
        for name, numbers in inner.appends.items():
            for number in reversed(numbers):
                x = inner.features[number]
                left[name] -= x.num_tokens
                inside[number] = inside.get(number, 0) | appended[name] >> left[name] & all_of(x)
        for name in inner.outputs:
            state[name] = 0
        _frame(inner, inside, joined(prefix, path), read, dead)
        for name, number in inner.inputs.items():
            state[name] = state.get(name, 0) | inside.get(number, 0)
    for name, number in step.reads.items():
        live[number] = live.get(number, 0) | state.get(name, 0)


def _wanted(frame: Frame, node: Node, out: Tokens) -> Sequence[Tokens]:
    """Which tokens each input must give for these tokens of the output."""
    op, inputs = node.op, [frame.features[number] for number in node.inputs]
    whole = [all_of(x) for x in inputs]
    if isinstance(op, Take):
        return [out << op.start]
    if isinstance(op, Put):
        before, after = (1 << op.start) - 1, op.start + inputs[1].num_tokens
        return [out & before | out >> after << op.stop, out >> op.start & whole[1]]
    if isinstance(op, Join):
        starts = [sum(x.num_tokens for x in inputs[:index]) for index in range(len(inputs))]
        return [out >> start & part for start, part in zip(starts, whole, strict=True)]
    tokens = frame.features[node.output].num_tokens
    if isinstance(op, Combine):
        return [out if x.num_tokens == tokens else part for x, part in zip(inputs, whole, strict=True)]
    if op.type in BY_QUERY:
        return [out, *whole[1:]]
    if op.mixes or op.type in BY_STATISTICS or not inputs or inputs[0].num_tokens != tokens:
        return whole
    return [out, *whole[1:]]
