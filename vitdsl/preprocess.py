"""From a photo to the image that a model was evaluated with: resize, centre crop, normalise."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.spec import Spec
    from vitdsl.validate.model import Input

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
    mean, std = statistics(given)

    return partial(
        _transformed, channels=given.channels, size=size, crop=given.crop, interpolation=given.interpolation,
        mean=mean, std=std,
    )  # fmt: skip


def _transformed(
    photo: Any, channels: int, size: tuple[int, int], crop: float, interpolation: Any, mean: Any, std: Any
) -> Tensor:
    """The image; a function of the module, which goes to other processes."""
    return normalised(framed(as_channels(photo, channels), size, crop, interpolation), mean, std)


def as_channels(photo: Any, channels: int) -> Any:
    """A PIL image of any mode with 1, 3 or 4 channels of 8 bits: `L`, `RGB` or `RGBA`.

    Of 16 bits the higher 8 are kept. Where there are no 4 channels, transparent pixels have the colour that is stored.
    """
    mode = MODES[channels]
    if photo.mode.startswith("I;16"):
        import numpy as np
        from PIL import Image

        photo = Image.fromarray((np.asarray(photo) >> 8).astype("uint8"))
    if photo.mode == mode:
        return photo
    if photo.mode == "PA" or (photo.mode == "P" and "transparency" in photo.info):
        photo = photo.convert("RGBA")
    try:
        return photo.convert(mode)
    except ValueError:  # Pillow has no way from this mode, but one to colours
        return photo.convert("RGB").convert(mode)


def statistics(given: Input) -> tuple[list[float], list[float]]:
    """The mean and the standard deviation of each channel, of values from 0 to 1.

    Raises:
        ValueError: numbers of channels that photos do not have.
    """
    if given.channels not in MODES:
        raise ValueError(f"a photo has 1, 3 or 4 channels, but this spec's images have {given.channels}")
    return _for_each("mean", given.mean, given.channels), _for_each("std", given.std, given.channels)


def framed(image: Any, size: tuple[int, int], crop: float, interpolation: str) -> Any:
    """The image as in evaluation: resized so that it covers `size` (height, width) / `crop`, and cut at the centre."""
    return _cropped(_covering(image, size, crop, interpolation), size)


def _for_each(kind: str, setting: Any, channels: int) -> list[float]:
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


def normalised(image: Any, mean: list[float], std: list[float]) -> Tensor:
    """The pixels of a PIL image, (C, H, W): from 0 to 1, less the mean, divided by the deviation."""
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.array(image, copy=True))
    x_chw = (pixels[:, :, None] if pixels.ndim == 2 else pixels).permute(2, 0, 1).contiguous().float().div(255)
    mean_c11, std_c11 = (torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (mean, std))
    return x_chw.sub_(mean_c11).div_(std_c11)
