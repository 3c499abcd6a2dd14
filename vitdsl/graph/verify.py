"""Checks whether a graph is valid; any pass may be followed by this check."""

from __future__ import annotations

from collections.abc import Iterable

from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, Node, cost_of, joined
from vitdsl.graph.operators import LearnedTokens


class InvalidGraph(Exception):
    """A pass made an invalid graph: a bug of the code, not an error of the spec."""


def verify(graph: Graph) -> None:
    """Checks a graph.

    Each value is defined once, before its uses. Features and costs are those that operators infer, and costs sum up.
    A call has the operands and results of its frames. Module paths are unique, except for shared weights.

    Raises:
        InvalidGraph: with the module path of the first error.
    """
    seen: set[int] = set()
    _frame(graph.frame, "", seen)
    _paths(graph.frame)
    defined = _defined(graph.frame)
    _check_known(defined, [*graph.outputs.items(), *(graph.training or {}).items()], "", "the output")
    unknown = [name for name in graph.evaluation if name not in graph.outputs]
    _check(not unknown, "", f"evaluation merges `{', '.join(unknown)}`, which is no output")


def _check(holds: bool, path: str, message: str) -> None:
    if not holds:
        raise InvalidGraph(f"{path or 'the model'}: {message}")


def _check_known(defined: Iterable[int], found: Iterable[tuple[str, int]], path: str, what: str) -> None:
    for name, number in found:
        _check(number in defined, path, f"{what} `{name or 'x'}` is value {number}, which nothing defines")


def _outputs(step: Node | Call) -> list[int]:
    return [step.output] if isinstance(step, Node) else [*step.gives.values(), *step.appends.values()]


def _defined(frame: Frame) -> set[int]:
    """The numbers of all values of a frame."""
    return {*frame.inputs.values(), *(number for step in frame.steps for number in _outputs(step))}


def _frame(frame: Frame, path: str, seen: set[int]) -> None:
    """Checks a frame and those that it calls, each once; `path` is where it is called first."""
    if id(frame) in seen:
        return
    seen.add(id(frame))
    defined: set[int] = set()
    _define(frame, frame.inputs.values(), defined, path)
    for step in frame.steps:
        here = joined(path, step.path)
        if isinstance(step, Node):
            _node(frame, step, defined, here)
        else:
            _call(frame, step, defined, here, seen)
        _define(frame, _outputs(step), defined, here)
    appends = [(name, number) for name, numbers in frame.appends.items() for number in numbers]
    _check_known(defined, [*frame.outputs.items(), *appends], path, "the stream")
    _check_known(defined, frame.marks.items(), path, "the mark")
    ends = [*frame.ends, *frame.maps, *([] if frame.start is None else [frame.start])]
    _check_known(defined, (("block", number) for number in ends), path, "the end of a")
    cost, drops, _ = frame.counted()
    _check(cost == frame.cost, path, f"its steps cost {tuple(cost)}, but it says {tuple(frame.cost)}")
    _check(drops == frame.drops, path, f"{drops} of its operators drop, but it says {frame.drops}")


def _define(frame: Frame, numbers: Iterable[int], defined: set[int], path: str) -> None:
    for number in numbers:
        _check(0 <= number < len(frame.features), path, f"value {number} has no feature")
        _check(number not in defined, path, f"value {number} is defined twice")
        defined.add(number)


def _node(frame: Frame, node: Node, defined: set[int], path: str) -> None:
    _check_known(defined, ((node.op.type, number) for number in node.inputs), path, "an input of")
    inputs = [frame.features[number] for number in node.inputs]
    try:
        output = node.op.infer(*inputs)
    except ShapeError as fault:
        raise InvalidGraph(f"{path}: {fault.message}") from fault
    _check(0 <= node.output < len(frame.features), path, f"value {node.output} has no feature")
    value = frame.features[node.output]
    _check(output == value, path, f"`{node.op.type}` gives {output}, but its value is {value}")
    cost = cost_of(node.op, inputs, output, node.times, node.shared)
    _check(cost == node.cost, path, f"`{node.op.type}` costs {tuple(cost)}, but says {tuple(node.cost)}")
    point = node.drop_point
    if point is not None and point.rate is None and point.at is None:
        _check(0 <= point.block < frame.blocks, path, f"there is no block {point.block} of {frame.blocks}")


def _call(frame: Frame, step: Call, defined: set[int], path: str, seen: set[int]) -> None:
    """Checks a call: each repetition gets operands with the features that it reads, and its results are passed on."""
    _check(step.numbered or len(step.frames) == 1, path, f"it has no numbers, but {len(step.frames)} repetitions")
    _check_known(defined, step.reads.items(), path, "the stream")
    state = {name: frame.features[number] for name, number in step.reads.items()}
    given: dict[str, Feature] = {}
    appended: dict[str, list[Feature]] = {}
    for inner in step.frames:
        _frame(inner, path, seen)
        for name, number in inner.inputs.items():
            _check(name in state, path, f"it reads the stream `{name or 'x'}`, which it is not given")
            wanted, found = inner.features[number], state[name]
            _check(wanted == found, path, f"the stream `{name or 'x'}` is {found}, but it reads {wanted}")
        given |= {name: inner.features[number] for name, number in inner.outputs.items()}
        for name, numbers in inner.appends.items():
            appended.setdefault(name, []).extend(inner.features[number] for number in numbers)
        state |= given
    tokens = {name: Feature(each[0].dim, count=sum(x.num_tokens for x in each)) for name, each in appended.items()}
    for what, made, streams in (("gives", given, step.gives), ("appends to", tokens, step.appends)):
        _check(made.keys() == streams.keys(), path, f"it {what} {_names(streams)}, but its frames {_names(made)}")
        for name, number in streams.items():
            _check(0 <= number < len(frame.features), path, f"value {number} has no feature")
            feature = frame.features[number]
            _check(feature == made[name], path, f"`{name or 'x'}` is {feature}, but what it {what} is {made[name]}")
    blocks = sum(inner.blocks for inner in step.frames)
    _check(
        0 <= step.block <= frame.blocks - blocks, path, f"its {blocks} blocks begin with {step.block} of {frame.blocks}"
    )


def _names(streams: Iterable[str]) -> str:
    return ", ".join(f"`{name or 'x'}`" for name in streams) or "nothing"


def _paths(frame: Frame) -> None:
    """Checks that no two operators have one module path, except operators that share weights, which must be equal."""
    modules: dict[str, tuple[Node, list[int]]] = {}
    for path, node, inside in frame.nodes():
        if not node.path or (node.op.structural and not isinstance(node.op, LearnedTokens)):
            continue
        widths = [inside.features[number].dim for number in node.inputs]
        _check(
            node.shared == (path in modules),
            path,
            "two operators have this path" if path in modules else "no weights to share",
        )
        first, its = modules.setdefault(path, (node, widths))
        _check((first.op, its) == (node.op, widths), path, "operators that differ share weights")
