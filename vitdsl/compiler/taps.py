"""A model with taps between its blocks."""

from __future__ import annotations

from vitdsl.compiler.model import VisionModel, compile_graph, make_model
from vitdsl.graph.views.taps import TapPoint, add_taps


def with_taps(model: VisionModel) -> tuple[VisionModel, list[list[TapPoint]]]:
    """A model that computes the same with copies of the weights, and its taps as `add_taps` gives them.

    Args:
        model: what `build` or `fold` gave.
    """
    spec = model.spec
    graph, chains = add_taps(model.lowered)
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    copy = make_model(compile_graph(graph, spec.name, {}, model.training_outputs), spec, "meta")
    copy.to_empty(device=next(iter(state.values())).device)
    copy.load_state_dict(state, assign=True)
    copy.folded = model.folded
    return copy.train(model.training), chains
