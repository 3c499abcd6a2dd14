"""Finds what a graph does that is allowed, but that most readers of its spec would not expect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vitdsl.errors import Problem
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import HEAD, Call, Frame, Node, joined
from vitdsl.graph.operators import CloseWindows, Combine, Join, LearnedTokens, OpenWindows, Put, Take
from vitdsl.parts.base import NONE, Primitive
from vitdsl.parts.primitives.affine import Affine
from vitdsl.parts.primitives.conv import Conv
from vitdsl.parts.primitives.drop_path import DropPath
from vitdsl.parts.primitives.dropout import Dropout
from vitdsl.parts.primitives.scale import Scale

CLASS_TOKENS = ("cls", "dist")
"""Names of tokens that a head is expected to read."""
ALIKE = frozenset({
    "attend", "scores", "weigh", "gather", "modulate", "performer_attend", "pool_tokens", "sequence_pool", "group",
})  # fmt: skip
"""Operators that mix tokens without regard to their positions."""
POOLS = ("pool_tokens", "sequence_pool")
PASSING = (Combine, Take, Put, Join, DropPath, Dropout, Scale)
"""Operators whose result is an operand, a portion of it, or a sum of operands."""
Nodes = dict[int, Node]
"""The nodes of a frame, by the number of their result."""


Frames = list[tuple[str, Frame, Nodes]]
"""Frames with module paths and nodes; of equal repetitions only the first."""


def unexpected(graph: Graph, written: set[tuple[str, Any]]) -> Iterator[Problem]:
    """Everything unexpected, each with a module path.

    Args:
        graph: of the spec.
        written: the keys of the spec, each paired with None and with its value if that is a word: what the spec says
            itself is expected.
    """
    frames = [
        (path, frame, {step.output: step for step in frame.steps if isinstance(step, Node)})
        for path, frame in graph.frame.below()
    ]
    if ("position", NONE) not in written:
        yield from _without_places(frames)
    yield from _unread_tokens(graph, frames)
    if ("norm", NONE) not in written:
        yield from _without_last_norm(graph)
    for path, frame, nodes in frames:
        yield from _doubled_tokens(path, frame, nodes)
        if ("activation", NONE) not in written:
            yield from _linear_convolutions(path, nodes)
    if ("shift", None) not in written:
        for step in graph.frame.steps:
            if isinstance(step, Call) and step.path != HEAD:
                yield from _closed_windows(step)


# ---------------------------------------------------------------- places


def _without_places(frames: Frames) -> Iterator[Problem]:
    """Attention among several tokens in a model in which no operator depends on the position of a token."""
    first = ""
    for path, frame, nodes in frames:
        for node in nodes.values():
            inputs = [frame.features[number] for number in node.inputs]
            if _knows_places(node.op, inputs):
                return
            if not first and node.op.dynamic and min(x.num_tokens for x in inputs[:2]) > 1:
                first = joined(path, node.path).rpartition(".")[0]
    if first:
        message = "this mixer treats all tokens alike, and nothing in the model says where a token stands"
        hint = "`position: learned` in the stage adds positions, `position: none` says none"
        yield Problem(message, first, hint=hint, code="W009")


def _knows_places(op: Primitive, inputs: list[Feature]) -> bool:
    """Whether the result of an operator depends on positions; an unknown operator that mixes tokens may."""
    if isinstance(op, (Take, Put)):
        return not _takes_all_or_extra(inputs[0], op.start, op.stop)
    if op.by_place or isinstance(op, (OpenWindows, CloseWindows)) or not (inputs or isinstance(op, LearnedTokens)):
        return True
    kernel, margin = getattr(op, "kernel", None), getattr(op, "margin", None)
    if kernel is not None and margin is not None:
        stride = getattr(op, "step", None) or getattr(op, "stride", (1, 1))
        return margin != (0, 0) or kernel[0] > stride[0] or kernel[1] > stride[1]
    return op.mixes and op.type not in ALIKE


def _takes_all_or_extra(whole: Feature, start: int, stop: int) -> bool:
    """Whether tokens `start` to `stop` are the grid, or extra tokens."""
    named = len(whole.tokens)
    return stop <= named or (start == named and stop == whole.num_tokens)


# ---------------------------------------------------------------- tokens


def _unread_tokens(graph: Graph, frames: Frames) -> Iterator[Problem]:
    """Class tokens that no item and no head reads."""
    made: dict[str, str] = {}
    taken = {name for number in graph.outputs.values() for name in graph.frame.features[number].tokens}
    for path, frame, nodes in frames:
        for node in nodes.values():
            if isinstance(node.op, LearnedTokens):
                made |= {name: joined(path, node.path) for name in node.op.names if name in CLASS_TOKENS}
            elif isinstance(node.op, Take) and node.op.feature.grid is None:
                taken.update(node.op.feature.tokens)
            elif node.op.type in POOLS:
                taken.update(frame.features[node.inputs[0]].tokens)
    for name, path in made.items():
        if name not in taken:
            message = f"the head does not read the token `{name}`, and no item takes it: only mixers see it"
            yield Problem(message, path, hint=f"`pool: {name}` in the head reads it", code="W010")


def _doubled_tokens(prefix: str, frame: Frame, nodes: Nodes) -> Iterator[Problem]:
    """Sums and products of two values with the same extra tokens: operators acted on their grids only."""
    for number, node in nodes.items():
        x = frame.features[number]
        if not isinstance(node.op, Combine) or node.op.how not in ("add", "multiply") or not (x.tokens and x.grid):
            continue
        by_grid, by_tokens = ([_terms(each, nodes, of) for each in node.inputs] for of in ("grid", "tokens"))
        if _meet(by_tokens) and not _meet(by_grid):
            done = "added to" if node.op.how == "add" else "multiplied by"
            names = ", ".join(x.tokens)
            message = f"extra tokens ({names}) are {done} themselves: what acts on the grid does not change them"
            path = next((path for each in node.inputs if (path := _at_grid(each, nodes))), "")
            hint = "`at: grid` on the whole item leaves them as they are"
            yield Problem(message, joined(prefix, path), hint=hint, code="W011")


def _meet(terms: list[set[int]]) -> bool:
    return sum(map(len, terms)) > len(set().union(*terms))


def _terms(number: int, nodes: Nodes, of: str) -> set[int]:
    """The values whose sum is the grid, or the extra tokens, of a value; scales and dropout are ignored."""
    found: set[int] = set()
    known, waiting = {number}, [number]
    for at in waiting:  # the loop adds to it
        node = nodes.get(at)
        if node is not None and isinstance(node.op, Combine) and node.op.how == "add":
            more = node.inputs
        elif node is not None and isinstance(node.op, Put):
            more = (node.inputs[of == "grid"],)
        elif node is not None and isinstance(node.op, (Take, Affine, DropPath, Dropout, Scale)):
            more = node.inputs[:1]
        else:
            found.add(at)
            continue
        waiting += [each for each in more if each not in known]
        known.update(more)
    return found


def _at_grid(number: int, nodes: Nodes) -> str:
    """The path of the node that made the grid of a value."""
    node = nodes.get(number)
    while node is not None and not isinstance(node.op, Put):
        node = nodes.get(node.inputs[0]) if node.inputs and not isinstance(node.op, Combine) else None
    made = None if node is None else nodes.get(node.inputs[1])
    return "" if made is None else made.path


# ---------------------------------------------------------------- norms and activations


def _linear_convolutions(prefix: str, nodes: Nodes) -> Iterator[Problem]:
    """Two dense convolutions without an activation between them."""
    for node in nodes.values():
        before = nodes.get(node.inputs[0]) if node.inputs else None
        while before is not None and before.op.type in ("batch", "affine"):
            before = nodes.get(before.inputs[0])
        if before is not None and _is_dense(node) and _is_dense(before):
            message = "no activation stands between this convolution and the one before it: both are one linear map"
            hint = "`activation: relu` makes two layers of them, `activation: none` says that none is meant"
            yield Problem(message, joined(prefix, node.path), hint=hint, code="W012")


def _is_dense(node: Node) -> bool:
    return isinstance(node.op, Conv) and node.op.groups == 1 and max(node.op.kernel) > 1


def _without_last_norm(graph: Graph) -> Iterator[Problem]:
    """A classifier on a sum of pre-norm branches, without a norm after the sum."""
    streams: Sums = {}
    memo: dict[Any, Sums] = {}
    for call in (step for step in graph.frame.steps if isinstance(step, Call)):
        if call.path != HEAD:
            streams |= _streams_after(call, streams, "", memo)
            continue
        (head,) = call.frames
        sums = _sums(head, streams, HEAD, memo)
        read = [sums[step.inputs[0]] for step in head.steps if isinstance(step, Node) and step.op.type == "linear"]
        if any(read):
            message = "norms stand before the branches of this sum, but none between it and the classifier"
            hint = "`norm: layer` in the head; `norm: none` says that none is meant"
            yield Problem(message, max(read), hint=hint, code="W013")


Sums = dict[Any, str]
"""By value or stream: the path of a pre-norm branch, if the value is a sum without a norm after it; else empty."""


def _streams_after(call: Call, streams: Sums, prefix: str, memo: dict[Any, Sums]) -> Sums:
    """The sums among the streams after a call."""
    inside = {name: streams.get(name, "") for name in call.reads}
    first = next((path for path, _ in call.paths()), "")
    for frame in call.frames:
        key = id(frame), *inside.items()
        if key not in memo:
            found = _sums(frame, inside, joined(prefix, first), memo)
            memo[key] = {name: found[number] for name, number in frame.outputs.items()}
        inside |= memo[key]
    return inside


def _sums(frame: Frame, streams: Sums, prefix: str, memo: dict[Any, Sums]) -> Sums:
    """The sums among the values of a frame, for these streams as inputs."""
    found: Sums = {number: streams.get(name, "") for name, number in frame.inputs.items()}
    with_pre = {step.path[: step.path.index(".pre") + 1] for step in frame.steps if f"{step.path}.".find(".pre.") > 0}
    made: dict[int, str] = dict.fromkeys(found, "")  # the path of the step that made each value
    for step in frame.steps:
        if isinstance(step, Call):
            after = _streams_after(step, {name: found[number] for name, number in step.reads.items()}, prefix, memo)
            found |= {number: after.get(name, "") for name, number in step.gives.items()}
            made |= dict.fromkeys([*step.gives.values(), *step.appends.values()], step.path)
            found |= dict.fromkeys(step.appends.values(), "")
            continue
        made[step.output] = step.path or (made[step.inputs[-1]] if step.inputs else "")
        found[step.output] = ""
        if isinstance(step.op, PASSING) or step.op.type in POOLS:
            found[step.output] = next(filter(None, [found[number] for number in step.inputs]), "")
        if isinstance(step.op, Combine) and step.op.how == "add":
            branch = next((item for item in with_pre if made[step.inputs[-1]].startswith(item)), "")
            found[step.output] = joined(prefix, branch.rstrip(".")) if branch else found[step.output]
    return found


# ---------------------------------------------------------------- windows


def _closed_windows(stage: Call) -> Iterator[Problem]:
    """Windows with the same borders throughout a stage in which no other operator mixes tokens across them."""
    first, borders = "", set()
    for path, frame in stage.below():
        for step in frame.steps:
            if isinstance(step, Call) or step.role == "embed":
                continue
            if isinstance(step.op, OpenWindows):
                borders.add((step.op.size, step.op.shift, step.op.grid))
            elif step.times > 1 and step.op.dynamic:
                first = first or joined(path, step.path).rpartition(".")[0]
            elif step.times == 1 and step.op.mixes:
                return
    runs = sum(isinstance(node.op, OpenWindows) for each in stage.frames for _, node, _ in each.nodes()) if first else 0
    if runs > 1 and len(borders) == 1:
        message = f"all {runs} items in windows of this stage have the same windows, and nothing passes their borders"
        hint = "`windows: {size: 7, shift: $(index % 2 * 3)}` shifts every second block; `shift: 0` says that none is"
        yield Problem(message, first, hint=hint, code="W014")
