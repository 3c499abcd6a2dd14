"""From a photo of the training set to an image: cut, flipped, coloured, normalised, erased; as timm does it.

All is drawn from the global random states of Python, numpy and torch, as timm and torchvision draw. `seeded` of
`vitdsl.training.draws` sets and restores them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from vitdsl.errors import Problem, SpecError
from vitdsl.preprocess import as_channels, framed, normalised, statistics
from vitdsl.syntax.locate import problem
from vitdsl.training import INSTALL
from vitdsl.training.kinds import NoCrop, PaddedCrop, RandomResizedCrop
from vitdsl.training.policies import THREE

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.spec import Spec
    from vitdsl.training.recipe import Augment

Box = tuple[float, float, float, float]
"""Top, left, height and width, in shares of the photo's height and width."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


class Augmented(NamedTuple):
    """An image, and which part of the photo it shows.

    Attributes:
        image: (C, H, W), float32, normalised.
        box: the part of the photo; it reaches beyond the photo where there is a margin.
        flips: whether the part was then flipped horizontally, and whether vertically.
    """

    image: Tensor
    box: Box
    flips: tuple[bool, bool]


class Augmentation:
    """The training transform of a spec's `input` and a recipe's `augment`.

    In order: crop, horizontal flip, vertical flip, policy, colour jitter, mean and deviation, erasing. For the crop
    `random_resized` this is `timm.data.create_transform(is_training=True)`, draw for draw, where timm does the same:
    beside a policy, timm leaves the colour jitter out unless it is forced. Crops and policies resize by the
    `interpolation` of the spec.

    Args:
        spec: whose `input` is read: size, channels, mean, deviation, interpolation, and `crop` for photos as in
            evaluation.
        augment: what is done to a photo.

    Raises:
        SpecError: numbers of channels that photos do not have, an operation that does not work on them, or a margin
            that cannot be filled by reflection.
    """

    def __init__(self, spec: Spec, augment: Augment) -> None:
        given = spec.model.input
        self.channels, self.size = given.channels, (given.size[0], given.size[1])
        try:
            self._mean, self._std = statistics(given)
        except ValueError as error:
            hint = "`channels: 1`, `3` or `4`"
            raise SpecError(problem(spec.tree, ("input", "channels"), str(error), hint, code="E805")) from None
        self._flip, self._vertical_flip = augment.flip, augment.vertical_flip
        try:
            self._cut = _cut(augment.crop, _Frame(self.size, given.crop, given.interpolation))
            self._policy = self._policy_of(augment.policy, given.interpolation)
            self._jitter = _jitter(augment.color_jitter)
            self._erase = _erasing(augment.erase)
        except ImportError as error:
            raise SpecError(Problem(f"trainings need {error.name}: {INSTALL}", code="E601")) from None

    def __call__(self, photo: Any) -> Augmented:
        """An image of a PIL image of any mode."""
        cut, box = self._cut(as_channels(photo, self.channels))
        image, flips = self._flipped(cut)
        for change in (self._policy, self._jitter):
            image = image if change is None else change(image)
        x_chw = normalised(image, self._mean, self._std)
        return Augmented(x_chw if self._erase is None else self._erase(x_chw), box, flips)

    def _flipped(self, image: Any) -> tuple[Any, tuple[bool, bool]]:
        """Drawn as torchvision draws flips: nothing, where there are none."""
        import torch
        from PIL.Image import Transpose

        flips = []
        for chance, way in ((self._flip, Transpose.FLIP_LEFT_RIGHT), (self._vertical_flip, Transpose.FLIP_TOP_BOTTOM)):
            flips.append(chance > 0 and bool(torch.rand(1) < chance))
            image = image.transpose(way) if flips[-1] else image
        return image, (flips[0], flips[1])

    def _policy_of(self, policy: str | None, interpolation: str) -> Any:
        """A policy of timm; what it fills with is the mean."""
        if policy is None:
            return None
        if self.channels not in (1, 3):
            message = f"the policy `{policy}` works on photos of 1 or 3 channels, but this spec's have {self.channels}"
            raise SpecError(
                Problem(message, "augment.policy", hint="no `policy`; crops, flips and `erase` work", code="E801")
            )
        from PIL.Image import Resampling
        from timm.data import auto_augment

        words = policy.replace(THREE, "3a")
        settings: dict[str, Any] = {
            "translate_const": int(min(self.size) * 0.45),
            "img_mean": tuple(max(0, min(255, round(255 * mean))) for mean in self._mean),
            "interpolation": Resampling[interpolation.upper()],
        }
        if words.startswith("rand"):
            made: Any = auto_augment.rand_augment_transform(words, settings)
            operations = made.ops
        elif words.startswith("augmix"):
            made = auto_augment.augment_and_mix_transform(words, {**settings, "translate_pct": 0.3})
            operations = made.ops
        else:
            made = auto_augment.auto_augment_transform(words, settings)
            operations = [operation for pair in made.policy for operation in pair]
        for operation in operations:
            if operation.aug_fn is auto_augment.posterize:
                operation.aug_fn = posterized
        return made


def posterized(image: Any, bits: int, **_: Any) -> Any:
    """Timm's `posterize`, which newer Pillows refuse at 0 bits: the image is black there, as older ones make it."""
    from PIL import Image, ImageOps

    if bits < 1:
        return Image.new(image.mode, image.size)
    return image if bits >= 8 else ImageOps.posterize(image, bits)


def _jitter(strength: float) -> Any:
    """Brightness, contrast and saturation, each changed by up to this share, in any order."""
    if not strength:
        return None
    from torchvision.transforms import ColorJitter

    return ColorJitter(strength, strength, strength)


def _erasing(chance: float) -> Any:
    """timm's, of one rectangle, which normal noise replaces."""
    if not chance:
        return None
    from timm.data.random_erasing import RandomErasing

    return RandomErasing(chance, mode="pixel", device="cpu")


# ---------------------------------------------------------------- crops


class _Frame(NamedTuple):
    """What evaluation sees of a photo.

    Attributes:
        size: height and width of images.
        crop: the spec's `crop`.
        interpolation: how photos are resized.
    """

    size: tuple[int, int]
    crop: float
    interpolation: str

    def of(self, photo: Any) -> tuple[Any, Box]:
        """The image, and the part of the photo that it shows, but for the rounding of the resized photo's size."""
        (w, h), size = photo.size, self.size
        ratio = min(h * self.crop / size[0], w * self.crop / size[1])
        height, width = size[0] * ratio / h, size[1] * ratio / w
        image = framed(photo, size, self.crop, self.interpolation)
        return image, ((1 - height) / 2, (1 - width) / 2, height, width)


def _as_evaluated(kind: NoCrop, frame: _Frame, photo: Any) -> tuple[Any, Box]:
    return frame.of(photo)


def _random_resized(kind: RandomResizedCrop, frame: _Frame, photo: Any) -> tuple[Any, Box]:
    from timm.data.transforms import RandomResizedCropAndInterpolation
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.functional import resized_crop

    part = RandomResizedCropAndInterpolation.get_params(photo, kind.scale, kind.ratio)
    image = resized_crop(photo, *part, list(frame.size), InterpolationMode(frame.interpolation))
    (top, left, height, width), (w, h) = part, photo.size
    return image, (top / h, left / w, height / h, width / w)


def _padded(kind: PaddedCrop, frame: _Frame, photo: Any) -> tuple[Any, Box]:
    from torchvision.transforms.functional import pad

    image, (top, left, height, width) = frame.of(photo)
    margin, (h, w) = kind.padding, frame.size
    wide: Any = pad(image, [margin], padding_mode="reflect" if kind.fill == "reflect" else "constant")
    down, right = random.randint(0, 2 * margin), random.randint(0, 2 * margin)
    box = (top + (down - margin) / h * height, left + (right - margin) / w * width, height, width)
    return wide.crop((right, down, right + w, down + h)), box


_CUTS: dict[type, Callable[..., tuple[Any, Box]]] = {
    RandomResizedCrop: _random_resized, PaddedCrop: _padded, NoCrop: _as_evaluated,
}  # fmt: skip


def _cut(kind: Any, frame: _Frame) -> Callable[[Any], tuple[Any, Box]]:
    """From a photo to an image of the spec's size, and the part of the photo that it shows."""
    height, width = frame.size
    if isinstance(kind, PaddedCrop) and kind.fill == "reflect" and kind.padding >= min(frame.size):
        message = f"a margin of {kind.padding} pixels cannot reflect images of {height}x{width}"
        hint = f"`padding: {min(frame.size) - 1}` at most, or `fill: zeros`"
        raise SpecError(Problem(message, "augment.crop.padding", hint=hint, code="E801"))
    return partial(_CUTS[type(kind)], kind, frame)
