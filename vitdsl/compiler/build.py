"""A spec becomes a torch module: its graph the class of its models, and the class a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, overload

import torch

from vitdsl.compiler.base import graph_of
from vitdsl.compiler.fold import fold_graph, fold_state
from vitdsl.compiler.forwards import write_model
from vitdsl.compiler.lower import Written
from vitdsl.compiler.model import Backbone, VisionModel
from vitdsl.compiler.module import class_of
from vitdsl.compiler.renewal import put_buffers, unsaved_buffers
from vitdsl.compiler.tree import grow_tree
from vitdsl.errors import Problem, SpecError
from vitdsl.graph.costs import too_many_modules
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call
from vitdsl.graph.liveness import unreached
from vitdsl.graph.views.pyramid import Features, image_maps, select
from vitdsl.memo import Table
from vitdsl.parts.registry import foreign
from vitdsl.spec import Spec, load
from vitdsl.syntax.locate import problem

MAX_PARAMS = 10**11
"""A model with more parameters is not built unless the caller allows it."""
MAX_MODULES = 100_000
"""Nor is one with more modules; about a thousand of them take a second."""


@overload
def build(
    spec: Spec | str | Path | Mapping[str, Any],
    device: str | torch.device = "cpu",
    *,
    training_outputs: bool = True,
    features: None = None,
    size: int | tuple[int, int] | None = None,
    max_params: int = MAX_PARAMS,
    max_modules: int = MAX_MODULES,
) -> VisionModel: ...
@overload
def build(
    spec: Spec | str | Path | Mapping[str, Any],
    device: str | torch.device = "cpu",
    *,
    training_outputs: bool = True,
    features: Features,
    size: int | tuple[int, int] | None = None,
    max_params: int = MAX_PARAMS,
    max_modules: int = MAX_MODULES,
) -> Backbone: ...


def build(
    spec: Spec | str | Path | Mapping[str, Any],
    device: str | torch.device = "cpu",
    *,
    training_outputs: bool = True,
    features: Features | None = None,
    size: int | tuple[int, int] | None = None,
    max_params: int = MAX_PARAMS,
    max_modules: int = MAX_MODULES,
) -> VisionModel | Backbone:
    """The torch module of a spec, initialized as it says.

    Args:
        spec: a spec, or what `load` takes.
        device: where the weights are made; `meta` makes none.
        features: the maps that a backbone gives in place of what the head says: numbers of the model's `feature_info`,
            negative ones from the end, or module paths of its `block_info`; an int: the last so many. What no map
            depends on is not built. Weights have the same keys.
        training_outputs: False returns the evaluation tensor in training too.
        size: of the image, in place of the spec's.
        max_params: a model with more parameters is refused before anything is allocated.
        max_modules: likewise, a model with more modules.

    Raises:
        SpecError: the spec is wrong, or too large.
        InputError: there are no such maps.
    """
    known = spec if isinstance(spec, Spec) else load(spec)
    paths = None if features is None else tuple(each.path for each in select(image_maps(known.graph(size)), features))
    graph = graph_of(known, size, paths)
    params = graph.frame.cost.params
    if params > max_params:
        raise SpecError(_too_large(known, graph, max_params))
    if fault := too_many_modules(graph, max_modules):
        raise SpecError(problem(known.tree, fault[1], fault[0], "`--max-modules` allows more", code="E501"))
    return make_model(_class_for(known, graph, training_outputs, paths), known, device)


_classes = Table(64)


def _class_for(spec: Spec, graph: Graph, training_outputs: bool, features: tuple[str, ...] | None) -> ModelClass:
    """The class of the models of a spec. It is made once for equal specs, as long as all parts are ours."""
    key = (spec.hash, spec.name, graph.frame.features[0].grid, training_outputs, features)
    known = None if foreign() else _classes.get(key)
    if known is None:
        known = _classes.keep(key, compile_graph(graph, spec.name, spec.model.init or {}, training_outputs))
    return known


class ModelClass(NamedTuple):
    """A graph with the class of its models.

    Attributes:
        graph: what was compiled.
        written: its forward, and those of its repetitions.
        cls: an instance is a model without a spec.
        training_outputs: whether training returns what the head says.
    """

    graph: Graph
    written: Written
    cls: type[Any]
    training_outputs: bool


def compile_graph(graph: Graph, name: str, inits: Mapping[str, Any], training_outputs: bool) -> ModelClass:
    """The class of the models of a graph.

    Args:
        graph: what is compiled.
        name: of the model, for tracebacks.
        inits: initial values by family.
        training_outputs: whether training returns what the head says.
    """
    written = write_model(graph, training_outputs)
    printed = class_of(grow_tree(graph, written, inits, training_outputs), name)
    kind = VisionModel if graph.evaluation else Backbone
    attributes = {"__module__": kind.__module__, "builder": staticmethod(build_as)}
    return ModelClass(graph, written, type("Model", (kind, printed), attributes), training_outputs)


def make_model(compiled: ModelClass, spec: Spec, device: str | torch.device) -> Any:
    """A model with new weights.

    Args:
        compiled: its class.
        spec: what it was compiled from.
        device: where its tensors are made.
    """
    with torch.device(device):
        model = compiled.cls()
    model.set_source(spec, compiled.graph, compiled.written)
    model.training_outputs = compiled.training_outputs
    if isinstance(model, Backbone):
        model.features = tuple(compiled.graph.outputs)
        unread = unreached(compiled.graph)  # such as a token that no map depends on, in front of a grid that one does
        for name, parameter in model.named_parameters():
            if any(f"{name}.".startswith(f"{path}.") for path in unread):
                parameter.requires_grad_(False)
    return model


def with_state(model: VisionModel, graph: Graph, state: Mapping[str, torch.Tensor], folded: bool) -> VisionModel:
    """A model of another graph of a model's spec, with these weights.

    Args:
        model: whose spec and training outputs it has.
        graph: what it computes.
        state: its state dict. The model holds these tensors themselves.
        folded: whether batch norms are folded in the graph.
    """
    spec = model.spec
    other = make_model(compile_graph(graph, spec.name, {}, model.training_outputs), spec, "meta")
    other.to_empty(device=next(iter(state.values())).device)
    other.load_state_dict(state, assign=True)
    other.folded = folded
    return other


def fold(model: VisionModel) -> VisionModel:
    """The model with every batch norm folded into the convolution or linear map beside it, where there is one.

    It computes the same in evaluation mode, and is in that mode. The model that was given stays as it is.

    Args:
        model: what `build` gave.
    """
    graph = model.graph_for(model.image_size)
    state = fold_state(graph, model.state_dict())
    other = with_state(model, fold_graph(graph), state, folded=True)
    put_buffers(other, {name: buffer.clone() for name, buffer in unsaved_buffers(model).items()})
    return other.eval()


def build_as(spec: Spec, options: Mapping[str, Any], folded: bool, device: str | torch.device = "meta") -> VisionModel:
    """A model with these options of `build`, folded or not. On the meta device it has no values."""
    model = build(spec, device=device, **options)
    return fold(model) if folded else model


def _too_large(spec: Spec, graph: Graph, most: int) -> Problem:
    """What to say of a model with too many parameters: how many, and which stage has most of them."""
    costs = [step.frames[0].cost.params for step in graph.frame.steps if isinstance(step, Call)]
    index = costs.index(max(costs))
    where = ("stages", index) if index < len(spec.model.stages) else ("head",)
    message = f"this model has {sum(costs):,} parameters, but at most {most:,} are allowed; most of them are here"
    return problem(spec.tree, where, message, "`--max-params` allows more", code="E501")
