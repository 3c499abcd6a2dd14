"""What a file of weights says in its header of the model that they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitdsl import __version__
from vitdsl.spec import load

if TYPE_CHECKING:
    from vitdsl.spec import Spec

SPEC_TEXT, VERSION_TEXT, TORCH_TEXT = "vitdsl.spec", "vitdsl.version", "torch.version"
"""The texts: the spec as canonical YAML, and the versions that wrote the file."""


def header_of(spec: Spec, size: tuple[int, int] | None = None) -> dict[str, str]:
    """The spec and the versions, as `write_weights` takes them.

    Args:
        spec: of the model.
        size: of its images, (height, width), where it is not the spec's.
    """
    import torch

    whole = spec if size in (None, tuple(spec.model.input.size)) else load(spec, {"input.size": [*size]})
    return {SPEC_TEXT: whole.dump(), VERSION_TEXT: __version__, TORCH_TEXT: torch.__version__}
