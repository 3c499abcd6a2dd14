"""A spec becomes a torch module; batch norms are folded into it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vitdsl.compiler.fold import folded_graph, folded_state
from vitdsl.compiler.model import Compiled, VisionModel, compile_graph, make_model
from vitdsl.compiler.renewal import Modes, put_buffers, set_modes, unsaved_buffers
from vitdsl.errors import Problem, SpecError
from vitdsl.graph.costs import too_many_modules
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call
from vitdsl.memo import Table
from vitdsl.parts.registry import foreign
from vitdsl.spec import Spec, load
from vitdsl.syntax.locate import problem

MAX_PARAMS = 10**11
"""A model with more parameters is not built unless the caller allows it."""
MAX_MODULES = 100_000
"""Nor is one with more modules; about a thousand of them take a second."""


def build(
    spec: Spec | str | Path | Mapping[str, Any],
    device: str | torch.device = "cpu",
    *,
    training_outputs: bool = True,
    size: int | tuple[int, int] | None = None,
    max_params: int = MAX_PARAMS,
    max_modules: int = MAX_MODULES,
) -> VisionModel:
    """The torch module of a spec, initialized as it says.

    Args:
        spec: a spec, or what `load` takes.
        device: where the weights are made; `meta` makes none.
        training_outputs: False returns the evaluation tensor in training too.
        size: of the image, in place of the spec's.
        max_params: a model with more parameters is refused before anything is allocated.
        max_modules: likewise, a model with more modules.

    Raises:
        SpecError: the spec is wrong, or too large.
    """
    known = spec if isinstance(spec, Spec) else load(spec)
    graph = known.graph(size)
    params = graph.frame.cost.params
    if params > max_params:
        raise SpecError(_too_large(known, graph, max_params))
    if fault := too_many_modules(graph, max_modules):
        raise SpecError(problem(known.tree, fault[1], fault[0], "`--max-modules` allows more"))
    return make_model(_class_for(known, graph, training_outputs), known, device)


_classes = Table(64)


def _class_for(spec: Spec, graph: Graph, training_outputs: bool) -> Compiled:
    """The class of the models of a spec; it is made once for equal specs, as long as all parts are ours."""
    key = (spec.hash, spec.name, graph.frame.features[0].grid, training_outputs)
    known = None if foreign() else _classes.get(key)
    if known is None:
        known = _classes.keep(key, compile_graph(graph, spec.name, spec.model.init or {}, training_outputs))
    return known


def fold(model: VisionModel) -> VisionModel:
    """The model with every batch norm folded into the convolution or linear map beside it, where there is one.

    It computes the same in evaluation mode, which it is in; the model that was given is left as it is.

    Args:
        model: what `build` gave.
    """
    spec, graph = model.spec, model.spec.graph(model.image_size)
    state = folded_state(graph, model.state_dict())
    made = make_model(compile_graph(folded_graph(graph), spec.name, {}, model.training_outputs), spec, "meta")
    made.to_empty(device=next(iter(state.values())).device)
    made.load_state_dict(state, assign=True)
    put_buffers(made, {name: buffer.clone() for name, buffer in unsaved_buffers(model).items()})
    made.folded = True
    return made.eval()


def built_as(spec: Spec, options: Mapping[str, Any], folded: bool, device: str | torch.device = "meta") -> VisionModel:
    """A model with these options of `build`, folded or not; on the meta device it has no values."""
    made = build(spec, device=device, **options)
    return fold(made) if folded else made


def rebuild(
    spec: Spec,
    options: dict[str, Any],
    folded: bool,
    state: dict[str, torch.Tensor],
    buffers: dict[str, torch.Tensor],
    modes: Modes,
) -> VisionModel:
    """A model out of what its pickle holds."""
    made = built_as(spec, options, folded)
    made.to_empty(device=next(iter(state.values())).device if state else "cpu")
    made.load_state_dict(state, assign=True)
    put_buffers(made, buffers)
    set_modes(made, modes)
    return made


def _too_large(spec: Spec, graph: Graph, most: int) -> Problem:
    """What to say of a model with too many parameters: how many, and which stage has most of them."""
    costs = [step.frames[0].cost.params for step in graph.frame.steps if isinstance(step, Call)]
    index = costs.index(max(costs))
    where = ("stages", index) if index < len(spec.model.stages) else ("head",)
    message = f"this model has {sum(costs):,} parameters, but at most {most:,} are allowed; most of them are here"
    return problem(spec.tree, where, message, "`--max-params` allows more")
