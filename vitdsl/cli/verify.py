"""One forward pass of a built module against its graph, and the code that it runs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import torch

from vitdsl.compiler.building import Generated
from vitdsl.errors import InputError

if TYPE_CHECKING:
    from vitdsl.compiler.model import VisionModel
    from vitdsl.features import Feature
    from vitdsl.graph.graph import Graph


def run_once(model: VisionModel, graph: Graph) -> dict[str, Any]:
    """Runs a module on a random image, in evaluation, and compares with its graph.

    Returns:
        Shapes of `image` and `output`, and the number of `params`.

    Raises:
        RuntimeError: module and graph differ, which is a fault of the compiler.
        InputError: the output is not finite.
    """
    image = graph.frame.features[0]
    assert image.grid is not None
    params = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if params != graph.frame.cost.trainable_params:
        raise RuntimeError(f"the module has {params:,} parameters, the graph {graph.frame.cost.trainable_params:,}")
    shape = (1, image.dim, *image.grid)
    training = model.training
    with torch.inference_mode():
        output = model.eval()(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    model.train(training)
    expected = returned_shape(graph)
    if tuple(output.shape) != expected:
        raise RuntimeError(f"the module gives {tuple(output.shape)}, the graph {expected}")
    if not torch.isfinite(output).all():
        raise InputError("the output for a random image is not finite: weights, or the spec's `init`, are too large")
    return {"image": list(shape), "output": list(output.shape), "params": params}


def returned_shape(graph: Graph) -> tuple[int, ...]:
    """The shape that evaluation returns for one image."""
    name = next(iter(graph.evaluation))
    feature: Feature = graph.frame.features[graph.outputs[name]]
    if feature.grid is None and feature.num_tokens == 1:
        return (1, feature.dim)
    if feature.grid is not None and not feature.tokens and graph.layout != "tokens":
        return (1, feature.dim, *feature.grid)
    return (1, feature.num_tokens, feature.dim)


def generated_code(model: VisionModel) -> str:
    """The generated forwards as one text: the model's, then one for each class of repeated bodies."""
    classes: dict[str, str] = {}
    for path, module in model.named_modules():
        if isinstance(module, Generated):
            where = f"first at {path}" if path else "the model"
            body = textwrap.indent(module.code.strip(), "    ")
            classes.setdefault(type(module).__name__, f"class {type(module).__name__}(nn.Module):  # {where}\n{body}\n")
    return "\n\n".join(["import torch\nfrom torch import nn\n", *classes.values()])
