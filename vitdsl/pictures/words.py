"""What boxes are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vitdsl.features import Feature
from vitdsl.graph.ir import Node
from vitdsl.graph.operators import Combine, OpenWindows, Take
from vitdsl.graph.summary import tokens_of
from vitdsl.pages import cut
from vitdsl.parts.primitives.conv import Conv

TITLES = {
    "layer": "layer norm", "batch": "batch norm", "group": "group norm", "rms": "RMS norm", "attend": "attention",
    "performer_attend": "performer attention", "pool_tokens": "pool", "pool_window": "pool", "learned": "learned",
}  # fmt: skip
"""Titles of operators whose type is no good one."""
SIGNS = {"add": "+", "multiply": "×", "mean": "mean", "concat": "concat"}
"""What stands for a combination."""
LONGEST = 32
"""More letters of the tokens of a shape are cut."""
NAMED = ("position", "classifier", "shortcut")
"""Last segments of module paths that say more than the type of the operator."""


def title_of(node: Node, inputs: Sequence[Feature], output: Feature) -> str:
    """The title of an operator."""
    op = node.op
    if isinstance(op, Combine):
        return SIGNS[op.how]
    if isinstance(op, Take):
        return "take " + ("grid" if output.grid else "+".join(output.tokens) or f"{output.count}")
    title = _conv(op, inputs[0]) if isinstance(op, Conv) else TITLES.get(op.type, op.type.replace("_", " "))
    last = node.path.rpartition(".")[2]
    if op.type == "tokens":
        return "token " + "+".join(output.tokens) if output.tokens else f"{output.count} tokens"
    if last not in NAMED:
        return title
    return last if title == "linear" or last in title else f"{last}: {title}"


def note_of(op: Any) -> str:
    """What an operator is in numbers."""
    if op.type in ("unfold", "pool_window", "fold"):
        return f"{_sides(op.kernel)}{_stride(op)}"
    if op.type == "pool_tokens":
        return op.reduce
    return _heads(op.heads) if op.type in ("attend", "scores") else ""


def title_of_part(role: str, kind: str | None, nodes: Sequence[Node], inputs: Sequence[Feature]) -> str:
    """The title of a part of several operators.

    Args:
        role: the key that holds it.
        kind: its type as written, or None.
        nodes: its operators.
        inputs: of the first of them with a module path.
    """
    first = next(node for node in nodes if node.path)
    if isinstance(first.op, Conv) and role == "conv":
        return _conv(first.op, inputs[0])
    return role if kind in (None, role) else f"{role} · {kind}"


def note_of_part(role: str, nodes: Sequence[Node], outputs: Sequence[Feature]) -> str:
    """What a part is in numbers: heads, windows, the width of its hidden layer; or what follows a convolution."""
    words = [f"{_sides(op.size)} windows" + (", shifted" if any(op.shift) else "")
             for op in (node.op for node in nodes) if isinstance(op, OpenWindows)][:1]  # fmt: skip
    heads = [found for node in nodes if (found := getattr(node.op, "heads", 0))]
    words += [_heads(heads[0])] if heads else []
    named = [(node.op.type, output) for node, output in zip(nodes, outputs, strict=True) if node.path]
    if role == "mlp":
        words.append(f"hidden {named[0][1].dim}")
    if role in ("conv", "linear"):
        words += [TITLES.get(kind, kind.replace("_", " ")) for kind, _ in named[1:]]
    return ", ".join(words)


def shape_of(feature: Feature) -> str:
    """A feature as it stands beside an edge: `cls+14×14·384`."""
    return f"{cut(tokens_of(feature), LONGEST)}·{feature.dim}"


def _conv(op: Conv, x: Feature) -> str:
    kind = "depthwise conv" if op.groups == x.dim > 1 else "grouped conv" if op.groups > 1 else "conv"
    return f"{kind} {_sides(op.kernel)}{_stride(op)}"


def _stride(op: Any) -> str:
    stride = getattr(op, "stride", None) or (1, 1)
    return "" if stride == (1, 1) else f", stride {stride[0] if stride[0] == stride[1] else _sides(stride)}"


def _sides(size: tuple[int, int]) -> str:
    return "×".join(map(str, size))


def _heads(number: int) -> str:
    return "1 head" if number == 1 else f"{number} heads"
