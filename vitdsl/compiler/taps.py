"""A model with taps between its blocks, where the values there can be looked at."""

from __future__ import annotations

from vitdsl.compiler.build import with_state
from vitdsl.compiler.model import VisionModel
from vitdsl.graph.views.taps import TapPoint, add_taps


def with_taps(model: VisionModel) -> tuple[VisionModel, list[list[TapPoint]]]:
    """A model that computes the same with copies of the weights, and its taps as `add_taps` gives them.

    Args:
        model: what `build` or `fold` gave.
    """
    graph, chains = add_taps(model.lowered)
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    return with_state(model, graph, state, model.folded).train(model.training), chains
