"""Modules that hold other modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn


class Body(nn.Module):
    """Modules by number and by name; those with numbers come first, None leaves a number out."""

    def __init__(self, /, *numbered: nn.Module | None, **named: nn.Module) -> None:
        super().__init__()
        for name, module in (*enumerate(numbered), *named.items()):
            if module is not None:
                self.add_module(str(name), module)

    def __getitem__(self, key: Any) -> Any:
        """The module of a number, from the end where that is negative, or of a name; of a slice, a list of modules."""
        if isinstance(key, slice) or (isinstance(key, int) and key < 0):
            return list(self._modules.values())[key]
        return self._modules[str(key)]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getattr__(self, name: str) -> Any:  # faster than torch's, which looks among the parameters first
        module = self.__dict__["_modules"].get(name)
        return super().__getattr__(name) if module is None else module


class Chain(Body):
    """Modules that are run one after another."""

    def forward(self, x: Any) -> Any:
        """Return what the last module makes of what the others made."""
        for module in self:
            x = module(x)
        return x


def with_modules(layer: nn.Module, **modules: nn.Module) -> nn.Module:
    """Put modules below a layer, such as the norm that follows it; return the layer."""
    for name, module in modules.items():
        layer.add_module(name, module)
    return layer
