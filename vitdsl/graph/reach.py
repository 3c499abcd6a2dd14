"""What the returned outputs read: liveness of features, extra tokens and the rest apart."""

from __future__ import annotations

from typing import NamedTuple

from vitdsl.features import Feature
from vitdsl.graph.frames import Call, Frame, Graph, Node, joined
from vitdsl.graph.operators import Combine, Join, LearnedTokens, Put, Take

Segments = frozenset[str]
REST = "*"
NOTHING: Segments = frozenset()
BY_QUERY = ("attend", "modulate", "performer_attend")
"""Mixers: an output token depends on its own query alone, and on all keys and values."""


BY_STATISTICS = ("batch",)
"""Norms whose statistics, while training, read every token."""


def segments(x: Feature) -> Segments:
    """All segments of a feature: each extra token by name, and the rest."""
    return frozenset((*x.tokens, REST)) if x.num_tokens > len(x.tokens) else frozenset(x.tokens)


class Flow(NamedTuple):
    """What of a frame is read from outside, and the paths that are never read."""

    entering: dict[str, Segments]
    dead: frozenset[str]


def unreached(graph: Graph) -> tuple[str, ...]:
    """Module paths of the nodes with parameters that no returned output reads, in order of execution.

    Of learned tokens some of which are read, the path of each other one.
    """
    live: dict[int, Segments] = {}
    returned = [graph.outputs[name] for name in graph.evaluation]
    for number in (*returned, *(graph.training or {}).values()):
        live[number] = segments(graph.frame.features[number])
    read: set[str] = set()
    dead: dict[str, None] = {}
    _frame(graph.frame, live, "", read, dead, {})
    order = {path: place for place, (path, _, _) in enumerate(graph.frame.nodes())}
    place = {path: order.get(path, order.get(path.rpartition(".")[0], 0)) for path in dead if path not in read}
    return tuple(sorted(place, key=place.__getitem__))


def _frame(
    frame: Frame,
    live: dict[int, Segments],
    prefix: str,
    read: set[str],
    dead: dict[str, None],
    memo: dict[object, object],
) -> None:
    """Goes backwards through a frame; fills `live`, and sorts its paths into read ones and others."""
    for step in reversed(frame.steps):
        if isinstance(step, Call):
            _call(frame, step, live, prefix, read, dead, memo)
            continue
        out = live.get(step.output, NOTHING)
        if step.cost.params or step.shared:
            path = joined(prefix, step.path)
            if out and isinstance(step.op, LearnedTokens):
                dead.update(dict.fromkeys(f"{path}.{name}" for name in step.op.names if name not in out))
            if out:
                read.add(path)
            elif not step.shared:
                dead.setdefault(path)
        if out:
            for number, wanted in zip(step.inputs, _wanted(frame, step, out), strict=True):
                live[number] = live.get(number, NOTHING) | wanted


def _call(
    frame: Frame,
    step: Call,
    live: dict[int, Segments],
    prefix: str,
    read: set[str],
    dead: dict[str, None],
    memo: dict[object, object],
) -> None:
    """Goes backwards through the repetitions of a call."""
    state = {name: live.get(number, NOTHING) for name, number in step.gives.items()}
    appended = {name: bool(live.get(number)) for name, number in step.appends.items()}
    for path, inner in reversed(list(step.paths())):
        inside: dict[int, Segments] = {}
        for name, number in inner.outputs.items():
            inside[number] = inside.get(number, NOTHING) | state.get(name, NOTHING)
        for name, numbers in inner.appends.items():
            for number in numbers:
                if appended[name]:
                    inside[number] = segments(inner.features[number])
        for name in inner.outputs:
            state[name] = NOTHING
        _frame(inner, inside, joined(prefix, path), read, dead, memo)
        for name, number in inner.inputs.items():
            state[name] = state.get(name, NOTHING) | inside.get(number, NOTHING)
    for name, number in step.reads.items():
        live[number] = live.get(number, NOTHING) | state.get(name, NOTHING)


def _wanted(frame: Frame, node: Node, out: Segments) -> list[Segments]:
    """What each input must give for these segments of the output."""
    op, inputs = node.op, [frame.features[number] for number in node.inputs]
    whole = [segments(x) for x in inputs]
    if isinstance(op, Take):
        return [_inside(inputs[0], op.start, op.stop, out)]
    if isinstance(op, Put):
        replaced = _inside(inputs[0], op.start, op.stop, whole[0])
        return [whole[0] & (out - replaced), whole[1] if out & replaced else NOTHING]
    if isinstance(op, Join):
        output = frame.features[node.output]
        named = {name for x in inputs for name in x.tokens} <= set(output.tokens)
        return [part & out if named else part for part in whole]
    if isinstance(op, Combine):
        return [part & out if x.num_tokens > 1 or part == out else part for part, x in zip(whole, inputs, strict=True)]
    if op.type in BY_QUERY:
        return [whole[0] & out, *whole[1:]]
    if (
        op.mixes
        or op.type in BY_STATISTICS
        or frame.features[node.output].tokens != (inputs[0].tokens if inputs else ())
    ):
        return whole
    return [whole[0] & out, *whole[1:]] if inputs else []


def _inside(x: Feature, start: int, stop: int, wanted: Segments) -> Segments:
    """The segments of a feature between two tokens, as far as they are wanted."""
    named = frozenset(x.tokens[start : min(stop, len(x.tokens))])
    rest = frozenset((REST,)) if stop > len(x.tokens) else NOTHING
    found = (named & wanted) | (rest if REST in wanted else NOTHING)
    return found or named | rest
