"""vitdsl: a vision architecture is a short YAML file, and a compiler turns it into a torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["SpecError", "build", "load"]

if TYPE_CHECKING:
    from vitdsl.api import build, load
    from vitdsl.errors import SpecError


def __getattr__(name: str) -> Any:
    """Loads what is exported when it is first named."""
    if name == "SpecError":
        from vitdsl.errors import SpecError

        return SpecError
    if name in __all__:
        from vitdsl import api

        return getattr(api, name)
    raise AttributeError(f"module 'vitdsl' has no attribute '{name}'")
