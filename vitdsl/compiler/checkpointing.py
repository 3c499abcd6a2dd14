"""Blocks that run a second time in the backward pass, rather than keep their activations."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def checkpointed(module: nn.Module, enable: bool) -> None:
    """Lets a module keep no activations in training, or keep them again."""
    cls = type(module)
    if enable and not is_checkpointed(module):
        if "recomputing" not in cls.__dict__:
            cls.recomputing = _recomputing(cls)  # type: ignore[attr-defined]
        module.__class__ = cls.recomputing  # type: ignore[attr-defined]
    elif is_checkpointed(module) and not enable:
        module.__class__ = cls.recomputed  # type: ignore[attr-defined]


def is_checkpointed(module: nn.Module) -> bool:
    """Whether a module runs a second time in the backward pass."""
    return hasattr(type(module), "recomputed")


def _recomputing(cls: Any) -> type[nn.Module]:
    """The class whose forward is run again in the backward pass; `recomputed` is the class itself."""

    def forward(self: Any, *inputs: Any) -> Any:
        if not (self.training and torch.is_grad_enabled()):
            return cls.forward(self, *inputs)
        return checkpoint(cls.forward, self, *inputs, use_reentrant=False)

    return type(cls.__name__, (cls,), {"forward": forward, "recomputed": cls, "__module__": cls.__module__})
