"""Models under torch.fx's symbolic tracing, as torchvision's `create_feature_extractor` does it."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.fx import Proxy

from vitdsl.layers.containers import Body


def keep_layers_whole(image: Proxy, model: nn.Module) -> None:
    """Lets the tracer that traces this model call its layers, rather than look into them.

    Layers ask for the number of axes or the sizes of what they are given, which a proxy does not have.
    """
    tracer: Any = image.tracer
    layers = {id(module) for module in model.modules() if not isinstance(module, Body)}
    is_leaf = tracer.is_leaf_module

    def is_leaf_or_layer(module: nn.Module, path: str) -> bool:
        return id(module) in layers or is_leaf(module, path)

    tracer.is_leaf_module = is_leaf_or_layer
