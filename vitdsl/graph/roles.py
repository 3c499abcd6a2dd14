"""Which operators mix tokens, which mix channels, and which are the beginning and the end of a model."""

from __future__ import annotations

from enum import StrEnum

from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Node
from vitdsl.parts.primitives.activation import Activation


class Role(StrEnum):
    """What a linear map is there for."""

    MIX_TOKENS = "mix_tokens"
    MIX_CHANNELS = "mix_channels"
    EMBED = "embed"
    HEAD = "head"


def roles_of(graph: Graph) -> dict[str, Role]:
    """The role of every linear map: of each operator with weights that train and multiply-adds, by module path.

    All maps of a mixer mix tokens: its projections too. Elsewhere a map mixes tokens where it leaves channels apart
    (depth-wise convolutions, linear maps over tokens), and channels otherwise: so a dense convolution mixes channels.
    What a stage begins with is `embed`.
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
    """Module paths of the functions of each value, in order; softmax is none."""
    nodes = ((path, node.op) for path, node, _ in graph.frame.nodes())
    return tuple(dict.fromkeys(path for path, op in nodes if isinstance(op, Activation) and op.type != "softmax"))
