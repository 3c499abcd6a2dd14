"""Groups of parameters, by which optimizers decay weights and set rates by layer."""

from __future__ import annotations

import re
from typing import Any

from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import HEAD, Call, Node, joined
from vitdsl.graph.operators import LearnedTokens
from vitdsl.parts.registry import family_of

NOT_DECAYED = ("position", "bias")
"""Families whose tables weight decay leaves alone, as it does learned tokens."""
LAST = 99999
"""The group behind all blocks."""


def find_tables(graph: Graph) -> set[str]:
    """Module paths of learned tokens, and of tables of positions and of biases."""
    return {
        path for path, node, _ in graph.frame.nodes()
        if isinstance(node.op, LearnedTokens) or (family_of(node.op) in NOT_DECAYED and node.cost.params)
    }  # fmt: skip


def group_patterns(graph: Graph, coarse: bool) -> dict[str, Any]:
    """See `VisionModel.group_matcher`."""
    stages = [step for step in graph.frame.steps if isinstance(step, Call) and step.path != HEAD]
    stem = "|".join(re.escape(f"{stages[0].path}.{name}") for name in ("tokenizer", "tokens", "position"))
    blocks: list[tuple[str, tuple[int, ...]]] = []
    for number, step in enumerate(stages):
        stage = re.escape(step.path)
        if not coarse:
            own = [joined(step.path, path) for call in step.frames[0].steps for path in _block_paths(call)]
            blocks += [(f"^{re.escape(path)}\\.", (number, 1 + index)) for index, path in enumerate(own)]
        blocks.append((f"^{stage}\\.norm\\.", (LAST,) if step is stages[-1] else (number + 1, 0)))
        blocks.append((f"^{stage}\\.", (number, 0)))
    return {"stem": f"^(?:{stem})\\.", "blocks": blocks}


def _block_paths(step: Node | Call) -> list[str]:
    """The paths of the blocks that a step of a stage runs."""
    return [path for path, _ in step.paths()] if isinstance(step, Call) and step.flows is not None else []
