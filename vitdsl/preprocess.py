"""From a photo to the image that a model was evaluated with: resize, centre crop, normalise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.spec import Spec

STATISTICS = {
    "mean": {"imagenet": (0.485, 0.456, 0.406), "half": 0.5},
    "std": {"imagenet": (0.229, 0.224, 0.225), "half": 0.5},
}
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def transform(spec: Spec) -> Callable[[Any], Tensor]:
    """The evaluation transform of a spec, as its `input` says.

    The photo is resized so that it covers the model's image divided by `crop`, with the filter that `interpolation`
    names, which smooths where it shrinks; of its centre the model's image is cut, divided by 255 and normalised.

    Args:
        spec: whose `input` is read.

    Returns:
        A function from a PIL image to (channels, height, width), float32.

    Raises:
        ValueError: numbers of channels that photos do not have.
    """
    given = spec.model.input
    size = (given.size[0], given.size[1])
    if given.channels not in MODES:
        raise ValueError(f"a photo has 1, 3 or 4 channels, but this spec's images have {given.channels}")
    mean, std = _statistics("mean", given.mean, given.channels), _statistics("std", given.std, given.channels)

    def apply(photo: Any) -> Tensor:
        image = photo if photo.mode == MODES[given.channels] else photo.convert(MODES[given.channels])
        return _normalised(_cropped(_covering(image, size, given.crop, given.interpolation), size), mean, std)

    return apply


def _statistics(kind: str, setting: Any, channels: int) -> list[float]:
    """A mean or a standard deviation for each channel."""
    values = STATISTICS[kind][setting] if isinstance(setting, str) else setting
    spread = [float(values)] * channels if isinstance(values, (int, float)) else [float(value) for value in values]
    if len(spread) != channels:
        raise ValueError(f"`input.{kind}` has {len(spread)} numbers, but images have {channels} channels")
    return spread


def _covering(image: Any, size: tuple[int, int], crop: float, interpolation: str) -> Any:
    """The image at the smallest size that covers `size` / `crop`, its proportions kept."""
    from PIL import Image

    width, height = image.size
    wanted_h, wanted_w = (math.floor(length / crop) for length in size)
    if wanted_h == wanted_w:
        short, long = sorted((height, width))
        lengths = {short: wanted_h, long: int(wanted_h * long / short)} if short != long else {short: wanted_h}
        new_h, new_w = lengths[height], lengths[width]
    else:
        ratio = min(height / wanted_h, width / wanted_w)
        new_h, new_w = round(height / ratio), round(width / ratio)
    if (new_h, new_w) == (height, width):
        return image
    return image.resize((new_w, new_h), Image.Resampling[interpolation.upper()])


def _cropped(image: Any, size: tuple[int, int]) -> Any:
    """The centre; beyond the image's edge all is black."""
    width, height = image.size
    top, left = (round((length - wanted) / 2.0) for length, wanted in zip((height, width), size, strict=True))
    return image.crop((left, top, left + size[1], top + size[0]))


def _normalised(image: Any, mean: list[float], std: list[float]) -> Tensor:
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.array(image, copy=True))
    x_chw = (pixels[:, :, None] if pixels.ndim == 2 else pixels).permute(2, 0, 1).contiguous().float().div(255)
    mean_c11, std_c11 = (torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (mean, std))
    return x_chw.sub_(mean_c11).div_(std_c11)
