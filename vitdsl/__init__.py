"""vitdsl: a vision architecture is a short YAML file, and a compiler turns it into a torch module."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Space", "SpecError", "build", "convert", "eject", "fold", "from_pretrained", "load", "load_weights", "push_to_hub",
    "save_pretrained",
]  # fmt: skip
LIGHT = {"Space": "vitdsl.space.space", "Spec": "vitdsl.spec", "load": "vitdsl.spec"}
"""What needs no torch."""
ERRORS = ("SpecError", "CheckpointError")
HUB = ("from_pretrained", "push_to_hub", "save_pretrained")

if TYPE_CHECKING:
    from vitdsl.api import build, convert, eject, fold, load_weights
    from vitdsl.errors import CheckpointError as CheckpointError
    from vitdsl.errors import SpecError
    from vitdsl.hub import from_pretrained, push_to_hub, save_pretrained
    from vitdsl.space.space import Space
    from vitdsl.spec import Spec as Spec
    from vitdsl.spec import load


def __getattr__(name: str) -> Any:
    """Loads what is exported when it is first named."""
    if name in ERRORS:
        return getattr(import_module("vitdsl.errors"), name)
    if name in LIGHT:
        return getattr(import_module(LIGHT[name]), name)
    if name in HUB:
        return getattr(import_module("vitdsl.hub"), name)
    if name in __all__:
        return getattr(import_module("vitdsl.api"), name)
    raise AttributeError(f"module 'vitdsl' has no attribute '{name}'")


def __dir__() -> list[str]:
    """What a prompt completes: also what is loaded when it is first named."""
    return sorted({*globals(), *__all__, *LIGHT, *ERRORS})
