"""Images with classes for short trainings, kept in memory in the format of a spec's `input`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vitdsl.errors import Problem, SpecError
from vitdsl.memo import Table
from vitdsl.preprocess import transform
from vitdsl.training.data import VALIDATION, load_photos
from vitdsl.training.photos import Photos

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.spec import Spec

MAX_BYTES = 4 << 30
"""A data set that needs more memory is refused."""
MAX_CACHED = 4


class Examples(NamedTuple):
    """Images (B, C, H, W), float32 and normalised, and their classes (B,)."""

    images: Tensor
    labels: Tensor

    def to(self, device: str) -> Examples:
        """The same on another device."""
        return Examples(self.images.to(device), self.labels.to(device))


class Data(NamedTuple):
    """The two splits of a data set."""

    train: Examples
    validation: Examples


_cache = Table(MAX_CACHED)


def load_data(name: str, spec: Spec, validation: float = VALIDATION) -> Data:
    """A data set, transformed as a spec's `input` says: channels, size, crop, interpolation, mean and std.

    Args:
        name: as in `vitdsl.training.data.load_photos`: `digits`, a folder of images by class, and others.
        spec: whose `input` is read.
        validation: the share of each class that is used for validation, drawn by a fixed seed; unused where the data
            set says which images evaluate.

    Raises:
        SpecError: there is no such data set, or it needs too much memory.
    """
    key = (name, repr(spec.model.input), validation)
    if key in _cache:
        return _cache[key]
    splits = load_photos(name, validation)
    height, width = spec.model.input.size
    needed = 4 * spec.model.input.channels * height * width * sum(map(len, splits))
    if needed > MAX_BYTES:
        message = f"`{name}` takes {needed / 2**30:.1f} GiB at {height}x{width}; short trainings keep it in memory"
        hint = f"at most {MAX_BYTES >> 30} GiB: a smaller `input.size`, fewer images"
        raise SpecError(Problem(message, hint=hint, code="E910"))
    return _cache.keep(key, Data(*(_stack(photos, spec) for photos in splits)))


def _stack(photos: Photos, spec: Spec) -> Examples:
    import torch

    to_tensor = transform(spec)
    images = torch.stack([to_tensor(photos.open(index)) for index in range(len(photos))])
    return Examples(images, torch.from_numpy(photos.labels))
