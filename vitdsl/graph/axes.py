"""A table of mixers and dynamic convolutions, with the axes on which they differ."""

from __future__ import annotations

from collections.abc import Iterator

from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, Node, joined
from vitdsl.parts.primitives.dynamic_conv import DynamicConv
from vitdsl.parts.primitives.weigh import Weigh

ROW = ("module", "bank", "selection", "kernel", "activation", "size")


def axes(graph: Graph) -> list[dict[str, str]]:
    """A row for every mixer and dynamic convolution: module, bank, selection, kernel, activation and kernel size.

    Repetitions that share a frame share a row, with `{n}` in the place of their number.
    """
    return [dict(zip(ROW, row, strict=True)) for row in _frame(graph.frame, "")]


def _frame(frame: Frame, prefix: str) -> Iterator[tuple[str, ...]]:
    for step in frame.steps:
        if isinstance(step, Call):
            seen: set[int] = set()
            for number, inner in enumerate(step.frames):
                if id(inner) not in seen:
                    seen.add(id(inner))
                    count = sum(other is inner for other in step.frames)
                    place = ("{n}" if count > 1 else str(number)) if step.numbered else ""
                    yield from _frame(inner, joined(joined(prefix, step.path), place))
        elif step.op.dynamic:
            yield _row(frame, step, joined(prefix, step.path).rpartition(".")[0])


def _row(frame: Frame, node: Node, module: str) -> tuple[str, ...]:
    features = [frame.features[number] for number in node.inputs]
    if isinstance(node.op, DynamicConv):
        return _convolution(node.op, features[0], joined(module, "conv"))
    keys = features[1]
    selection = f"own window of {keys}" if node.times > 1 else "all"
    bias = f" + {_position(frame, node)}" if "bias" in getattr(node.op, "extras", ()) else ""
    heads = f", {getattr(node.op, 'heads', 1)} heads" if node.op.dynamic == "point-wise" else ""
    kernel = f"{node.op.dynamic}{heads}"
    return module, _bank(frame, node, keys), selection, kernel, _activation(frame, node) + bias, "1x1"


def _bank(frame: Frame, node: Node, keys: Feature) -> str:
    """The tokens that the kernels are made of, and the operators that make them."""
    root = node.path.rpartition(".")[0]
    made = [
        step.op.type for step in frame.steps
        if isinstance(step, Node) and step.cost.params
        and step.path.startswith((f"{root}.bank", f"{root}.projection.k"))
    ]  # fmt: skip
    how = f" by {' and '.join(dict.fromkeys(made))}" if made else ""
    return f"{keys.num_tokens} tokens{how}"


def _activation(frame: Frame, node: Node) -> str:
    if node.op.activation_of_kernels:
        return node.op.activation_of_kernels
    root = node.path.rpartition(".")[0]
    for step in frame.steps:
        if isinstance(step, Node) and isinstance(step.op, Weigh) and step.path.startswith(root):
            return step.op.activation + ("" if step.op.normalize == "none" else f" / {step.op.normalize}")
    return "softmax"


def _position(frame: Frame, node: Node) -> str:
    root = node.path.rpartition(".")[0]
    found = (s.op for s in frame.steps if isinstance(s, Node) and s.path == f"{root}.position")
    return next((op.of_part or op.type for op in found), "bias")


def _convolution(op: DynamicConv, x: Feature, module: str) -> tuple[str, ...]:
    kernels = op.kernels
    bank = f"{kernels.count} learned kernels" if kernels.count else f"generated, reduction {kernels.reduction}"
    kernel = "full" if kernels.count and op.groups == 1 else "depth-wise"
    activation = f"softmax / {kernels.temperature:g}" if kernels.count else "none"
    return module, bank, f"per {kernels.by}", kernel, activation, f"{op.kernel[0]}x{op.kernel[1]}"
