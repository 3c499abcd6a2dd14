"""vitdsl: a vision architecture is a short YAML file, and a compiler turns it into a torch module."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Space", "SpecError", "attention_maps", "attention_rollout", "build", "convert", "draw", "eject", "export", "fold",
    "from_pretrained", "load", "load_weights", "push_to_hub", "save_pretrained",
]  # fmt: skip
API, HUB = "vitdsl.api", "vitdsl.exporting.hub"
MODULES = {
    "Space": "vitdsl.space.space", "Spec": "vitdsl.spec", "load": "vitdsl.spec",
    "SpecError": "vitdsl.errors", "CheckpointError": "vitdsl.errors", "AttentionError": "vitdsl.errors",
    "attention_maps": API, "attention_rollout": API, "build": API, "convert": API, "eject": API, "fold": API,
    "load_weights": API, "draw": "vitdsl.pictures.drawing", "export": "vitdsl.exporting.export",
    "from_pretrained": HUB, "push_to_hub": HUB, "save_pretrained": HUB,
}  # fmt: skip
"""Where each name is. Spaces, specs, pictures and errors need no torch."""

if TYPE_CHECKING:
    from vitdsl.api import attention_maps, attention_rollout, build, convert, eject, fold, load_weights
    from vitdsl.errors import AttentionError as AttentionError
    from vitdsl.errors import CheckpointError as CheckpointError
    from vitdsl.errors import SpecError
    from vitdsl.exporting.export import export
    from vitdsl.exporting.hub import from_pretrained, push_to_hub, save_pretrained
    from vitdsl.pictures.drawing import draw
    from vitdsl.space.space import Space
    from vitdsl.spec import Spec as Spec
    from vitdsl.spec import load


def __getattr__(name: str) -> Any:
    """Loads what is exported when it is first named."""
    if name in MODULES:
        return getattr(import_module(MODULES[name]), name)
    raise AttributeError(f"module 'vitdsl' has no attribute '{name}'")


def __dir__() -> list[str]:
    """What a prompt completes: also what is loaded when it is first named."""
    return sorted({*globals(), *MODULES})
