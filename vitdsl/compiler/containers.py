"""The containers of models, in which a layer may be replaced or wrapped."""

from __future__ import annotations

from typing import Any

from torch import nn

from vitdsl.layers import containers


class Body(containers.Body):
    """Modules by number and by name.

    Libraries replace `nn.Linear`, `nn.Conv2d` and batch norms in a model by setting the attribute of their container:
    adapters such as LoRA do. Where a layer has modules below it, such as the norm of a convolution, what wraps the
    layer is given these as plain attributes, so that the forward finds them.

    `_kept` are the names of the numbers in which instances of a class differ and that its forward reads.
    """

    _kept: tuple[str, ...] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        before = self.__dict__.get("_modules", {}).get(name)
        if isinstance(value, nn.Module) and isinstance(before, nn.Module) and not isinstance(before, containers.Body):
            _keep_below(before, value)
        super().__setattr__(name, value)


class Chain(Body, containers.Chain):
    """Modules that are run one after another."""


def _keep_below(before: nn.Module, layer: nn.Module) -> None:
    """Lets what replaces a layer reach the modules below that layer.

    Raises:
        AttributeError: it has neither modules of their names, nor these themselves somewhere below it.
    """
    for name, child in before.named_children():
        if name in layer._modules:
            continue
        if not any(module is child for module in layer.modules()):
            raise AttributeError(
                f"{type(layer).__name__} was put in the place of a layer that has the module `{name}` below it: keep"
                f" the layer that it replaces as a child, or give it a module `{name}`"
            )
        object.__setattr__(layer, name, child)
