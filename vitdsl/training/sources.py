"""Where photos come from: scikit-learn's digits, folders, CIFAR, ImageNet, data sets of Hugging Face.

Nothing is downloaded but what `hf:NAME` asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vitdsl.errors import Problem, SpecError, did_you_mean, near
from vitdsl.training import INSTALL
from vitdsl.training.photos import Photos, as_it_is, open_file, open_pixels

DIGITS = "digits"
LAYOUT = "a folder of photos for each class, or `train` and `val` with such folders"
EVALUATES = ("validation", "valid", "val", "test")
"""What a split that evaluates is called, the first that is there."""


class Source(NamedTuple):
    """The photos of a data set, and those that evaluate, where it says which."""

    train: Photos
    validation: Photos | None


def read_source(name: str) -> Source:
    """The photos of a data set.

    Args:
        name: `digits`; a folder; `cifar10:DIR`, `cifar100:DIR`, `imagenet:DIR` with the files that their authors give;
            `hf:NAME_OR_DIR`.

    Raises:
        SpecError: there is no such data set, or it is not whole.
    """
    if name == DIGITS:
        return Source(_digits(), None)
    kind, _, rest = name.partition(":")
    if kind in _READERS and rest and not Path(name).is_dir():
        return _READERS[kind](name, rest)
    return _folder(name, folder_of(name))


def classes_in(name: str) -> int:
    """How many classes a data set has; no photo is looked for.

    Raises:
        SpecError: there is no such data set.
    """
    kind, _, rest = name.partition(":")
    if name in _COUNTS:
        return _COUNTS[name]
    if rest and kind in _READERS and not Path(name).is_dir():
        return _COUNTS[kind] if kind in _COUNTS else len(read_source(name).train.classes)
    return len(_class_folders(_parts(folder_of(name))[0]))


_COUNTS = {DIGITS: 10, "cifar10": 10, "cifar100": 100, "imagenet": 1000}


def folder_of(name: str) -> Path:
    """The folder that a data set is.

    Raises:
        SpecError: there is none.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    message = f"there is no data set `{name}`: it is neither `{DIGITS}` nor a folder, seen from here"
    ways = "`digits`, a folder, `cifar10:DIR`, `cifar100:DIR`, `imagenet:DIR`, `hf:NAME_OR_DIR`"
    if name in _READERS:
        ways = f"`{name}:DIR`, the folder of its files"
    hint = did_you_mean(name, [DIGITS]) if near(name, [DIGITS]) else ways
    raise SpecError(Problem(message, hint=hint, code="E803"))


def _digits() -> Photos:
    """1,797 handwritten digits of 8x8 grey values 0..16 (Alpaydin and Kaynak, 1998), of scikit-learn."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SpecError(Problem(f"the digits need scikit-learn: {INSTALL}", code="E601")) from None
    digits: Any = load_digits()
    pixels = (digits.images * (255 / 16)).round().astype("uint8")
    return Photos(DIGITS, pixels, open_pixels, digits.target, [str(digit) for digit in range(10)])


# ---------------------------------------------------------------- folders


def _parts(folder: Path) -> tuple[Path, Path | None]:
    """The folder of classes that trains, and the one that evaluates."""
    both = (folder / "train", folder / "val")
    return both if all(part.is_dir() for part in both) else (folder, None)


def _folder(name: str, folder: Path, classes: Sequence[str] | None = None) -> Source:
    """A folder; its classes are called as their folders, where they are not named."""
    train, held = _parts(folder)
    photos = _photos_in(name, train, classes)
    if held is None:
        return Source(photos, None)
    evaluated = _photos_in(name, held, classes)
    if photos.classes != evaluated.classes:
        different = sorted(set(photos.classes) ^ set(evaluated.classes))
        shown = ", ".join(f"`{each}`" for each in different[:5]) + (", …" if len(different) > 5 else "")
        message = f"{train} and {held} do not have the same classes: {shown} stands in one of them alone"
        raise SpecError(Problem(message, hint="the same folders in both", code="E804"))
    return Source(photos, evaluated)


def _class_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _photos_in(name: str, folder: Path, classes: Sequence[str] | None) -> Photos:
    """The photos of a folder of classes, sorted by path."""
    if not _class_folders(folder):
        raise SpecError(Problem(f"{folder} has no folders of classes", hint=LAYOUT, code="E804"))
    try:
        from torchvision.datasets import ImageFolder
    except ImportError:
        raise SpecError(Problem(f"folders of images need torchvision: {INSTALL}", code="E601")) from None
    found = ImageFolder(str(folder), allow_empty=True)
    labels = [label for _, label in found.samples]
    empty = sorted(set(range(len(found.classes))) - set(labels))
    if empty:
        shown = ", ".join(f"`{found.classes[each]}`" for each in empty[:5]) + (", …" if len(empty) > 5 else "")
        message = f"there are no images in {folder}" if not labels else f"{folder} has no images of {shown}"
        hint = f"{LAYOUT}; images end in .jpg, .jpeg, .png, .ppm, .bmp, .pgm, .tif, .tiff or .webp"
        raise SpecError(Problem(message, hint=hint, code="E804"))
    return Photos(name, [path for path, _ in found.samples], open_file, labels, classes or found.classes)


def _imagenet(name: str, rest: str) -> Source:
    """ImageNet-1k in folders that have the names of its classes (Russakovsky et al., 2015)."""
    try:
        from timm.data.imagenet_info import ImageNetInfo
    except ImportError:
        raise SpecError(Problem(f"the classes of ImageNet need timm: {INSTALL}", code="E601")) from None
    folder, info = _files_of(rest), ImageNetInfo("imagenet-1k")
    train, held = _parts(folder)
    if held is None:
        missing = [path.name for path in (folder / "train", folder / "val") if not path.is_dir()]
        message = f"{folder} is not ImageNet: there is no folder `{'` and no folder `'.join(missing)}`"
        raise SpecError(
            Problem(message, hint="`train` and `val` with a folder for each class, as n01440764", code="E804")
        )
    wanted = info.label_names()
    for part in (train, held):
        there = {path.name for path in _class_folders(part)}
        if there != set(wanted):
            message = f"{part} has {len(there & set(wanted)):,} of the 1,000 classes of ImageNet-1k"
            message += f", and {len(there - set(wanted)):,} other folders" if there - set(wanted) else ""
            raise SpecError(Problem(message, hint=f"for other classes: `{rest}`, as any folder", code="E804"))
    return _folder(name, folder, [info.index_to_description(index) for index in range(len(wanted))])


# ---------------------------------------------------------------- data sets with readers


def _files_of(rest: str) -> Path:
    """The folder of a data set's files."""
    if not Path(rest).is_dir():
        raise SpecError(
            Problem(
                f"there is no folder `{rest}`, seen from here", hint="the folder of the data set's files", code="E803"
            )
        )
    return Path(rest)


def _cifar(name: str, rest: str) -> Source:
    """CIFAR (Krizhevsky, 2009) in the files of its author, for Python."""
    try:
        from torchvision.datasets import CIFAR10, CIFAR100
    except ImportError:
        raise SpecError(Problem(f"CIFAR needs torchvision: {INSTALL}", code="E601")) from None
    reader = {"cifar10": CIFAR10, "cifar100": CIFAR100}[name.partition(":")[0]]
    folder = _files_of(rest)
    root = folder.parent if folder.name == reader.base_folder else folder
    try:
        splits = [reader(str(root), train=train, download=False) for train in (True, False)]
    except (RuntimeError, OSError) as error:
        message = f"{root} does not hold the files of `{name.partition(':')[0]}`, or they are damaged: {error}"
        hint = f"unpack {reader.filename} there, so that {root / reader.base_folder} holds its files"
        raise SpecError(
            Problem(message.replace(" You can use download=True to download it", ""), hint=hint, code="E804")
        ) from error
    train, test = (Photos(name, each.data, open_pixels, each.targets, each.classes) for each in splits)
    return Source(train, test)


class _Rows:
    """The images of a data set of Hugging Face, by row."""

    def __init__(self, split: Any, column: str) -> None:
        self.split, self.column = split, column

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, row: int) -> Any:
        return self.split[row][self.column]


def _hugging_face(name: str, rest: str) -> Source:
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise SpecError(Problem(f"`{name}` needs the package datasets: pip install datasets", code="E601")) from None
    saved = any((Path(rest) / file).is_file() for file in ("dataset_dict.json", "state.json"))
    try:
        found: Any = datasets.load_from_disk(rest) if saved else datasets.load_dataset(rest)
    except Exception as error:  # the reader, its files and the network have errors of many kinds
        message = f"`{name}` cannot be loaded: {str(error) or type(error).__name__}"
        hint = "a name of the hub, or a folder that `save_to_disk` wrote, or one that `load_dataset` reads"
        raise SpecError(Problem(message, hint=hint, code="E803")) from error
    splits = {"train": found} if isinstance(found, datasets.Dataset) else dict(found)
    if "train" not in splits:
        message = f"`{name}` has no split `train`, but {', '.join(f'`{each}`' for each in splits)}"
        raise SpecError(Problem(message, hint="a data set with a split `train`", code="E804"))
    held = next((split for split in EVALUATES if split in splits), None)
    made = [_of_split(name, splits[split]) for split in ("train", held) if split is not None]
    return Source(made[0], made[1] if len(made) > 1 else None)


def _of_split(name: str, split: Any) -> Photos:
    """The first column of images, with the first column of classes."""
    import datasets  # pyright: ignore[reportMissingImports]

    kinds = {"images": datasets.Image, "classes": datasets.ClassLabel}
    columns = {
        what: next((key for key, feature in split.features.items() if isinstance(feature, kind)), None)
        for what, kind in kinds.items()
    }
    for what, column in columns.items():
        if column is None:
            message = f"`{name}` has no column of {what}, but {', '.join(f'`{key}`' for key in split.features)}"
            hint = f"a column of the type `datasets.{kinds[what].__name__}`, which `cast_column` makes"
            raise SpecError(Problem(message, hint=hint, code="E804"))
    labels = list(split[columns["classes"]])
    bad = sum(label is None or label < 0 for label in labels)
    if bad:
        raise SpecError(
            Problem(f"`{name}` has {bad:,} photos without a class", hint="take them out with `filter`", code="E804")
        )
    rows = _Rows(split.select_columns([columns["images"]]), str(columns["images"]))
    return Photos(name, rows, as_it_is, labels, split.features[columns["classes"]].names)  # type: ignore[arg-type]


_READERS: dict[str, Callable[[str, str], Source]] = {
    "cifar10": _cifar, "cifar100": _cifar, "imagenet": _imagenet, "hf": _hugging_face,
}  # fmt: skip
