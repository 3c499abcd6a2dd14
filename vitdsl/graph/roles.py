"""Classifies operators: they mix tokens, mix channels, or belong to an embedding or to the head."""

from __future__ import annotations

from enum import StrEnum

from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Node
from vitdsl.parts.primitives.activation import Activation


class Role(StrEnum):
    """The purpose of a linear map."""

    MIX_TOKENS = "mix_tokens"
    MIX_CHANNELS = "mix_channels"
    EMBED = "embed"
    HEAD = "head"


def roles_of(graph: Graph) -> dict[str, Role]:
    """The role of every linear map, by module path: every operator with trainable weights and multiply-adds.

    All maps of a mixer mix tokens, its projections too. Elsewhere a map mixes tokens if it keeps channels separate
    (depth-wise convolutions, linear maps over tokens), and channels otherwise (dense convolutions too). The maps at
    the beginning of a stage are `embed`.
    """
    found: dict[str, Role] = {}
    for path, node, frame in graph.frame.nodes():
        if node.cost.macs and node.cost.trainable_params:
            found[path] = _role(node, *(frame.features[number] for number in node.inputs))
    return found


def _role(node: Node, *inputs: Feature) -> Role:
    if node.role in (Role.EMBED, Role.HEAD):
        return Role(node.role)
    apart = node.op.mixes and not node.op.mixes_channels(*inputs)
    return Role.MIX_TOKENS if node.role == "mixer" or apart else Role.MIX_CHANNELS


def activations_of(graph: Graph) -> tuple[str, ...]:
    """Module paths of pointwise activations, in order; softmax is not one of them."""
    nodes = ((path, node.op) for path, node, _ in graph.frame.nodes())
    return tuple(dict.fromkeys(path for path, op in nodes if isinstance(op, Activation) and op.type != "softmax"))
