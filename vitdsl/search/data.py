"""Images with classes for short trainings, kept in memory as a spec's `input` wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vitdsl.errors import Problem, SpecError
from vitdsl.preprocess import transform

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.spec import Spec

DIGITS = "digits"
SEARCH = "pip install 'vitdsl[search]'"
TRAIN = "pip install 'vitdsl[train]'"
SPLIT_SEED = 0
"""Every candidate is judged by the same images, whatever its own seed."""
VALIDATION = 0.25
MAX_BYTES = 4 << 30
"""A data set that would take more memory is refused."""
MAX_KEPT = 4
"""How many prepared data sets are remembered."""


class Part(NamedTuple):
    """Images (B, C, H, W), float32 and normalised, and their classes (B,)."""

    images: Tensor
    labels: Tensor

    def to(self, device: str) -> Part:
        """The same on another device."""
        return Part(self.images.to(device), self.labels.to(device))


class Data(NamedTuple):
    """What is trained on, and what is judged by."""

    train: Part
    validation: Part


_kept: dict[Any, Data] = {}


def prepared(name: str, spec: Spec, validation: float = VALIDATION) -> Data:
    """A data set as a spec's `input` wants it: channels, size, crop, interpolation, mean and std.

    Args:
        name: `digits`, or a folder: one folder of images a class in it, or the same below `train` and `val`.
        spec: whose `input` is read.
        validation: the share of each class that is judged by, drawn by a fixed seed; unused where there is `val`.

    Raises:
        SpecError: there is no such data set, or it takes too much memory.
    """
    key = (name, repr(spec.model.input), validation)
    if key not in _kept:
        size, channels = spec.model.input.size, spec.model.input.channels
        train, held = _digits(validation) if name == DIGITS else _folder(Path(name), validation)
        needed = 4 * channels * size[0] * size[1] * (len(train) + len(held))
        if needed > MAX_BYTES:
            message = (
                f"`{name}` takes {needed / 2**30:.1f} GiB at {size[0]}x{size[1]}; short trainings keep it in memory"
            )
            raise SpecError(
                Problem(message, hint=f"at most {MAX_BYTES >> 30} GiB: a smaller `input.size`, fewer images")
            )
        if len(_kept) >= MAX_KEPT:
            _kept.pop(next(iter(_kept)))
        prepare = transform(spec)
        _kept[key] = Data(_tensors(train, prepare), _tensors(held, prepare))
    return _kept[key]


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
    """Why a spec, or a space with its holes, cannot be trained on a data set, or None; holes are not looked at."""
    if name != DIGITS and not Path(name).is_dir():
        return _no_such(name)
    if not spec.model.input.open:
        try:
            transform(spec)
        except ValueError as error:
            return str(error)
    wanted, classes = classes_in(name), spec.model.classes
    if isinstance(classes, int) and classes != wanted:
        return f"`{name}` has {wanted} classes, but the spec has {classes}: write `classes: {wanted}`"
    return None


Labelled = Sequence[tuple[Callable[[], Any], int]]
"""What gives a PIL image when it is called, with its class."""


def _tensors(images: Labelled, prepare: Callable[[Any], Tensor]) -> Part:
    import torch

    return Part(torch.stack([prepare(image()) for image, _ in images]), torch.tensor([label for _, label in images]))


def _split(images: Labelled, validation: float) -> tuple[Labelled, Labelled]:
    """Both parts; each has every class in its share."""
    try:
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise SpecError(Problem(f"short trainings need scikit-learn: {SEARCH}")) from None
    labels = [label for _, label in images]
    try:
        halves: Any = train_test_split(list(images), test_size=validation, stratify=labels, random_state=SPLIT_SEED)
    except ValueError as error:
        raise SpecError(Problem(f"the data set cannot be split: {error}")) from None
    return halves[0], halves[1]


def _digits(validation: float) -> tuple[Labelled, Labelled]:
    """1,797 handwritten digits of 8x8 grey values 0..16 (Alpaydin and Kaynak, 1998), which scikit-learn brings."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SpecError(Problem(f"the digits need scikit-learn: {SEARCH}")) from None
    from PIL import Image

    digits: Any = load_digits()
    pixels = (digits.images * (255 / 16)).round().astype("uint8")
    images = [Image.fromarray(each) for each in pixels]
    return _split(
        [(lambda image=image: image, int(label)) for image, label in zip(images, digits.target, strict=True)],
        validation,
    )


def _no_such(name: str | Path) -> str:
    return f"there is no data set `{name}`: it is neither `{DIGITS}` nor a folder, seen from here"


def _root(folder: Path) -> Path:
    """The folder whose folders are classes."""
    if not folder.is_dir():
        raise SpecError(Problem(_no_such(folder)))
    return folder / "train" if (folder / "train").is_dir() and (folder / "val").is_dir() else folder


def _folder(folder: Path, validation: float) -> tuple[Labelled, Labelled]:
    root = _root(folder)
    if root == folder:
        return _split(_listed(root), validation)
    return _listed(root), _listed(folder / "val")


def _listed(folder: Path) -> Labelled:
    """The images of a folder of classes, in the order of their names."""
    try:
        from torchvision.datasets import ImageFolder
        from torchvision.datasets.folder import default_loader
    except ImportError:
        raise SpecError(Problem(f"folders of images need torchvision: {TRAIN}")) from None
    try:
        found = ImageFolder(str(folder)).samples
    except FileNotFoundError as error:
        raise SpecError(Problem(f"{folder} is no folder of classes: {str(error).splitlines()[0]}")) from None
    return [(lambda path=path: default_loader(path), label) for path, label in found]
