"""For which images a model is right: it takes another size where a model built for that size would be the same."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor
from torch.fx import Proxy

from vitdsl.compiler.base import CompiledModel, Size
from vitdsl.compiler.likeness import difference
from vitdsl.compiler.ties import is_free
from vitdsl.compiler.tracing import keep_layers_whole
from vitdsl.errors import ImageError, SpecError
from vitdsl.layers.lengths import is_tracing, known_equal, length_of


class ImageModel(CompiledModel):
    """A model that knows for which images it is right."""

    def forward(self, image: Any) -> Any:
        """Returns what the model makes of a batch of images (B, C, H, W)."""
        self.enter(image)
        return super().forward(image)

    def enter(self, image: Any) -> None:
        """Refuses images that this model was not built for, unless one that was built for them is the same.

        A proxy of torch.fx has no size, and passes.

        Raises:
            ImageError: no batch of images, other channels, or another size.
        """
        if isinstance(image, Proxy):
            keep_layers_whole(image, self)
        if not isinstance(image, Tensor):
            return
        channels = self.lowered.frame.features[0].dim
        if image.ndim != 4 or not known_equal(image.shape[1], channels):
            wanted = f"(B, {channels}, {self.image_size[0]}, {self.image_size[1]})"
            raise ImageError(
                f"this model takes images of shape {wanted}, but was fed {tuple(image.shape)}", code="E602"
            )
        height, width = image.shape[2:]
        if known_equal(height, self.image_size[0]) and known_equal(width, self.image_size[1]):
            return
        if torch.compiler.is_compiling() and self.takes_any():
            return  # sizes may be symbols, which stay free
        if is_tracing():
            height, width = (length_of(length) for length in (height, width))
        self.accept(operator.index(height), operator.index(width))

    @torch.compiler.assume_constant_result
    def accept(self, height: int, width: int) -> None:
        """Refuses images of this size, unless a model that was built for them is the same.

        Raises:
            ImageError: with both sizes.
        """
        size = (height, width)
        if size not in self.refusals:
            self.refusals[size] = refusal(self, size)
        if self.refusals[size]:
            raise ImageError(self.refusals[size], code="E602")

    @torch.compiler.assume_constant_result
    def takes_any(self) -> bool:
        """Whether it is the same model for every size of image that its patches tile."""
        if None not in self.refusals:
            self.refusals[None] = "" if is_free(self) else "no"
        return not self.refusals[None]


def refusal(model: CompiledModel, size: Size) -> str:
    """Why a model cannot take images of a size, or nothing."""
    built, fed = (f"{height}x{width}" for height, width in (model.image_size, size))
    start = f"this model was built for images of {built}, and was fed one of {fed}"
    try:
        graph = model.graph_for(size)
    except SpecError as error:
        (problem, *_) = error.problems
        hint = f" ({problem.hint})" if problem.hint else ""
        return f"{start}, for which its spec cannot be built: {problem.path}: {problem.message}{hint}"
    path = difference(model.graph_for(model.image_size), graph, model.training_outputs)
    if path is None:
        return ""
    where = f"`{path}` would be another" if path else "its forward would be another"
    call = f"`model.set_input_size({size[0]}, {size[1]})` makes it a model for that size"
    return f"{start}, for which {where}: {call}, `vitdsl.build(spec, size={size})` builds one"
