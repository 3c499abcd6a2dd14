"""Teachers that say what is at every position of a photo: a model's classifier on its map of features.

Shapes: b images, c channels, h rows and w columns of the map, n tokens, p extra tokens before them, k classes, m
positions of all images.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vitdsl.compiler.model import VisionModel
from vitdsl.errors import InputError, Problem, first_line
from vitdsl.graph.views.head import split_head
from vitdsl.training.boxes import Grid

ROWS = 64
"""So many positions at once, where a head takes whole maps alone."""
EXTRA = (0, 1, 2)
"""Numbers of extra tokens that models of timm have, where they do not say it."""


class Places(NamedTuple):
    """Where the positions of a map are in a model's features.

    Attributes:
        grid: rows and columns.
        extra: tokens in front of the grid; None: the features are a map.
        last: whether a map has its channels last.
        copies: of a position, that the head gets together.
    """

    grid: Grid
    extra: int | None
    last: bool = False
    copies: int = 1


class DenseTeacher:
    """Logits at every position: the head is given features in which all positions are that one.

    So a mean over positions, the class token, and whatever else the head pools by, is the position itself.

    Attributes:
        model: in evaluation mode; nothing of it gets a gradient.
        grid: rows and columns of the map.
        classes: K.
    """

    def __init__(self, model: nn.Module, images_bchw: Tensor, name: str) -> None:
        """Looks for the map.

        Args:
            model: one of ours or of timm's.
            images_bchw: of the size and channels that it will be given.
            name: what messages call it.

        Raises:
            InputError: the model takes no such images, or its head reads no single map.
        """
        self.model: Any = model.eval().requires_grad_(False)
        try:
            with torch.no_grad():
                logits, features = model(images_bchw), self.model.forward_features(images_bchw)
        except (RuntimeError, ValueError, AssertionError) as error:
            message = f"the teacher `{name}` cannot take images of {tuple(images_bchw.shape[1:])}: {first_line(error)}"
            raise InputError(Problem(message, hint="another `--size`", code="E812")) from None
        if not isinstance(logits, Tensor) or logits.ndim != 2:
            raise InputError(Problem(f"the teacher `{name}` gives no logits of classes", code="E812"))
        self.classes = logits.shape[1]
        found = _places_of_ours(model) if isinstance(model, VisionModel) else _places(model, images_bchw, features)
        if found is None:
            message = f"the head of `{name}` reads no single map of features, so nothing can be said of positions"
            raise InputError(Problem(message, hint="a teacher with one grid, as ConvNeXt or DeiT", code="E813"))
        self._places, self.grid = found, found.grid
        self._fit(features, name)

    def _fit(self, features: Tensor, name: str) -> None:
        """Finds out whether the head takes a single position; some take whole maps alone."""
        try:
            self._scores(features[:1])
        except (RuntimeError, ValueError, AssertionError):
            self._places = self._places._replace(copies=math.prod(self.grid))
            try:
                self._scores(features[:1])
            except (RuntimeError, ValueError, AssertionError) as error:
                message = f"the head of `{name}` cannot be applied at a position: {first_line(error)}"
                raise InputError(Problem(message, hint="a teacher with a pool and a classifier", code="E813")) from None

    @torch.no_grad()
    def __call__(self, images_bchw: Tensor) -> Tensor:
        """Logits at every position, (B, K, H, W)."""
        return self._scores(self.model.forward_features(images_bchw))

    @torch.no_grad()
    def _scores(self, features: Tensor) -> Tensor:
        positions_mc = self._positions(features)
        whole = self._places.copies == 1
        parts = [positions_mc] if whole else positions_mc.split(ROWS)
        logits_mk = torch.cat([self.model.forward_head(self._repeated(part)) for part in parts])
        if logits_mk.shape != (len(positions_mc), self.classes):
            raise ValueError(f"it gives {tuple(logits_mk.shape)} for {len(positions_mc)} positions")
        return logits_mk.unflatten(0, (len(features), *self.grid)).permute(0, 3, 1, 2)

    def _positions(self, features: Tensor) -> Tensor:
        """All positions, row by row, (M, C)."""
        if self._places.extra is not None:
            return features[:, self._places.extra :].flatten(0, 1)
        return (features if self._places.last else features.permute(0, 2, 3, 1)).flatten(0, 2)

    def _repeated(self, positions_mc: Tensor) -> Tensor:
        """Features of which every position, and every extra token, is the one."""
        (height, width) = self.grid if self._places.copies > 1 else (1, 1)
        count, channels = positions_mc.shape
        if self._places.extra is not None:
            return positions_mc[:, None].expand(count, self._places.extra + height * width, channels)
        if self._places.last:
            return positions_mc[:, None, None].expand(count, height, width, channels)
        return positions_mc[:, :, None, None].expand(count, channels, height, width)


def _places_of_ours(model: VisionModel) -> Places | None:
    """Our graph says what its head reads."""
    split = split_head(model.lowered)
    read = {split.body.frame.features[number] for number in split.features.values()}
    if len(set(split.features.values())) != 1 or (feature := read.pop()).grid is None:
        return None
    return Places(feature.grid, len(feature.tokens) or None)


def _places(model: nn.Module, images_bchw: Tensor, features: Any) -> Places | None:
    """Shapes tell where timm's positions are."""
    if not isinstance(features, Tensor):
        return None
    if features.ndim == 4:
        last = getattr(model, "output_fmt", "NCHW") == "NHWC" or features.shape[1] != _width(model, features)
        height, width = features.shape[1:3] if last else features.shape[2:]
        return Places((height, width), None, last)
    if features.ndim != 3:
        return None
    extra = getattr(model, "num_prefix_tokens", None)
    for number in EXTRA if extra is None else (extra,):
        grid = _grid_of(features.shape[1] - number, images_bchw.shape[2] / images_bchw.shape[3])
        if grid is not None:
            return Places(grid, number)
    return None


def _width(model: nn.Module, features: Tensor) -> int:
    found = getattr(model, "num_features", None)
    return found if found in (features.shape[1], features.shape[3]) else features.shape[1]


def _grid_of(count: int, ratio: float) -> Grid | None:
    """Rows and columns of so many tokens, in the ratio of the image's; one or two are no grid."""
    height = round(math.sqrt(max(count, 0) * ratio))
    if count < 3 or not height or count % height:
        return None
    width = count // height
    return (height, width) if abs(height / width - ratio) < 0.5 * ratio else None
