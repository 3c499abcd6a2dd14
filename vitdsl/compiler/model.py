"""The module that a spec becomes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pickle import PicklingError
from typing import Any, NamedTuple

import torch

from vitdsl.compiler.backbone import Backbone
from vitdsl.compiler.forwards import OUTPUTS, outputs_of, write_model
from vitdsl.compiler.lower import Written
from vitdsl.compiler.module import class_of
from vitdsl.compiler.renewal import modes_of, unsaved_buffers
from vitdsl.compiler.tree import Branch, Grower
from vitdsl.graph.graph import Graph
from vitdsl.graph.schedule import drops
from vitdsl.spec import Spec

SHARED = ("spec", "lowered", "written", "forwards", "refusals")
"""Attributes that copies of a model have in common."""


class VisionModel(Backbone):
    """A compiled spec: image (B, C, H, W) to what its head says.

    Attributes:
        spec: the spec that it was built from.
        lowered: the graph that it was compiled from.
        written: its forward, and those of its repetitions.
        code: the text of its classes, which is what runs.
        training_outputs: whether training returns all that the head trains, rather than the same as evaluation.
        image_size: (height, width) that its tables were made for.
        folded: whether its batch norms were folded into the linear maps beside them.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as the canonical spec, the state dict, and what is set besides.

        Raises:
            PicklingError: there are other tensors than the spec's.
        """
        from vitdsl.compiler.build import built_as, rebuild

        state = self.state_dict()
        foreign = sorted(state.keys() ^ built_as(self.spec, self.options, self.folded).state_dict().keys())
        if foreign:
            raise PicklingError(
                f"a model is pickled as its spec, which does not say {', '.join(foreign[:3])}"
                f"{', …' if len(foreign) > 3 else ''}: pickle its `state_dict()` instead"
            )
        return rebuild, (self.spec, self.options, self.folded, state, unsaved_buffers(self), modes_of(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> VisionModel:
        """A copy with weights of its own; the generated classes are shared."""
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        for name, value in self.__dict__.items():
            made.__dict__[name] = value if name in SHARED else copy.deepcopy(value, memo)
        return made


class Compiled(NamedTuple):
    """A graph with the class of its models.

    Attributes:
        graph: what was compiled.
        written: its forward, and those of its repetitions.
        cls: an instance is a model without a spec.
        training_outputs: whether training returns what the head says.
    """

    graph: Graph
    written: Written
    cls: type[VisionModel]
    training_outputs: bool


def compile_graph(graph: Graph, name: str, inits: Mapping[str, Any], training_outputs: bool) -> Compiled:
    """The class of the models of a graph.

    Args:
        graph: what is compiled.
        name: of the model, for tracebacks.
        inits: initial values by family.
        training_outputs: whether training returns what the head says.
    """
    written = write_model(graph, training_outputs)
    text = class_of(tree_of(graph, written, inits, training_outputs), name)
    cls = type("Model", (VisionModel, text), {"__module__": __name__})
    return Compiled(graph, written, cls, training_outputs)


def make_model(compiled: Compiled, spec: Spec, device: str | torch.device) -> VisionModel:
    """A model with new weights.

    Args:
        compiled: its class.
        spec: what it was compiled from.
        device: where its tensors are made.
    """
    with torch.device(device):
        model = compiled.cls()
    size = compiled.graph.frame.features[0].grid
    assert size is not None
    model.spec, model.lowered, model.written = spec, compiled.graph, compiled.written
    model.forwards, model.refusals = {}, {}
    model.training_outputs, model.image_size = compiled.training_outputs, size
    return model


def tree_of(graph: Graph, written: Written, inits: Mapping[str, Any], training_outputs: bool) -> Branch:
    """What makes each module of a model.

    Args:
        graph: of the model.
        written: its forward.
        inits: initial values by family.
        training_outputs: whether training returns what the head says.
    """
    rates = {drop.path: drop.rate for drop in drops(graph.frame, graph.drop_path)}
    tree = Grower(rates, inits).grow(written, graph.frame)
    outputs = outputs_of(graph, training_outputs)
    if outputs is not None:
        tree.at(OUTPUTS).make = outputs
    return tree
