"""Images with classes for short trainings, kept in memory in the format of a spec's `input`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vitdsl.errors import Problem, SpecError
from vitdsl.memo import Table
from vitdsl.preprocess import transform
from vitdsl.search import INSTALL

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.spec import Spec

DIGITS = "digits"
TRAIN = "pip install 'vitdsl[train]'"
SPLIT_SEED = 0
"""Every candidate is evaluated on the same images, whatever its own seed."""
VALIDATION = 0.25
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
        name: `digits`, or a folder with a folder of images for each class, or with two such folders, `train` and `val`.
        spec: whose `input` is read.
        validation: the share of each class that is used for validation, drawn by a fixed seed; unused where there is
            `val`.

    Raises:
        SpecError: there is no such data set, or it needs too much memory.
    """
    key = (name, repr(spec.model.input), validation)
    if key in _cache:
        return _cache[key]
    splits = _digits(validation) if name == DIGITS else _folder(Path(name), validation)
    height, width = spec.model.input.size
    needed = 4 * spec.model.input.channels * height * width * sum(map(len, splits))
    if needed > MAX_BYTES:
        message = f"`{name}` takes {needed / 2**30:.1f} GiB at {height}x{width}; short trainings keep it in memory"
        hint = f"at most {MAX_BYTES >> 30} GiB: a smaller `input.size`, fewer images"
        raise SpecError(Problem(message, hint=hint))
    to_tensor = transform(spec)
    return _cache.keep(key, Data(*(_stack(images, to_tensor) for images in splits)))


def classes_in(name: str) -> int:
    """How many classes a data set has.

    Raises:
        SpecError: there is no such data set.
    """
    if name == DIGITS:
        return 10
    root = _root(Path(name))
    return sum(path.is_dir() for path in root.iterdir())


def unsuited(name: str, spec: Spec) -> str | None:
    """Why a spec, or a space without regard to its holes, cannot be trained on a data set, or None."""
    if name != DIGITS and not Path(name).is_dir():
        return _not_found(name)
    if not spec.model.input.open:
        try:
            transform(spec)
        except ValueError as error:
            return str(error)
    available, classes = classes_in(name), spec.model.classes
    if isinstance(classes, int) and classes != available:
        return f"`{name}` has {available} classes, but the spec has {classes}: write `classes: {available}`"
    return None


Labelled = Sequence[tuple[Callable[[], Any], int]]
"""Functions that open a PIL image, each with the class."""


def _stack(images: Labelled, to_tensor: Callable[[Any], Tensor]) -> Examples:
    import torch

    labels = torch.tensor([label for _, label in images])
    return Examples(torch.stack([to_tensor(open_image()) for open_image, _ in images]), labels)


def _split(images: Labelled, validation: float) -> tuple[Labelled, Labelled]:
    """Training and validation images, each with the same share of every class."""
    try:
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise SpecError(Problem(f"short trainings need scikit-learn: {INSTALL}")) from None
    labels = [label for _, label in images]
    try:
        halves: Any = train_test_split(list(images), test_size=validation, stratify=labels, random_state=SPLIT_SEED)
    except ValueError as error:
        raise SpecError(Problem(f"the data set cannot be split: {error}")) from None
    return halves[0], halves[1]


def _digits(validation: float) -> tuple[Labelled, Labelled]:
    """1,797 handwritten digits of 8x8 grey values 0..16 (Alpaydin and Kaynak, 1998), of scikit-learn."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SpecError(Problem(f"the digits need scikit-learn: {INSTALL}")) from None
    from PIL import Image

    digits: Any = load_digits()
    pixels = (digits.images * (255 / 16)).round().astype("uint8")
    images = [Image.fromarray(each) for each in pixels]
    return _split(
        [(lambda image=image: image, int(label)) for image, label in zip(images, digits.target, strict=True)],
        validation,
    )


def _not_found(name: str | Path) -> str:
    return f"there is no data set `{name}`: it is neither `{DIGITS}` nor a folder, seen from here"


def _root(folder: Path) -> Path:
    """The folder that has a folder for each class."""
    if not folder.is_dir():
        raise SpecError(Problem(_not_found(folder)))
    return folder / "train" if (folder / "train").is_dir() and (folder / "val").is_dir() else folder


def _folder(folder: Path, validation: float) -> tuple[Labelled, Labelled]:
    root = _root(folder)
    if root == folder:
        return _split(_images_in(root), validation)
    return _images_in(root), _images_in(folder / "val")


def _images_in(folder: Path) -> Labelled:
    """The images of a folder of classes, sorted by name."""
    try:
        from torchvision.datasets import ImageFolder
        from torchvision.datasets.folder import default_loader
    except ImportError:
        raise SpecError(Problem(f"folders of images need torchvision: {TRAIN}")) from None
    try:
        samples = ImageFolder(str(folder)).samples
    except FileNotFoundError as error:
        raise SpecError(Problem(f"{folder} is no folder of classes: {str(error).splitlines()[0]}")) from None
    return [(lambda path=path: default_loader(path), label) for path, label in samples]
