"""Photos with classes, each opened when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.errors import InputError, Problem
from vitdsl.preprocess import as_channels

if TYPE_CHECKING:
    import numpy as np

SKIP = "or let such photos be skipped, and counted: `--corrupt skip`"


class Photos:
    """A sequence of photos. It can be pickled, and goes to other processes without what it opens.

    Args:
        name: of the data set.
        items: what each photo is opened from: a list of paths, or an array of pixels, or the like.
        open_item: makes a PIL image of an item; a function of a module.
        labels: class numbers, (N,).
        classes: their names.
        rows: which items are meant, and in which order; None: all.

    Attributes:
        labels: class numbers, (N,), int64.
        classes: names by class number.
    """

    def __init__(
        self,
        name: str,
        items: Sequence[Any],
        open_item: Callable[[Any], Any],
        labels: Any,
        classes: Sequence[str],
        rows: Any = None,
    ) -> None:
        import numpy as np

        self.name, self.classes = name, tuple(classes)
        self.labels: np.ndarray = np.asarray(labels, dtype=np.int64)
        self._items, self._open = items, open_item
        self._rows: np.ndarray = np.arange(len(items)) if rows is None else np.asarray(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, indices: Any) -> Photos:
        """Some of the photos, in the given order."""
        rows, labels = self._rows[indices], self.labels[indices]
        return Photos(self.name, self._items, self._open, labels, self.classes, rows)

    def called(self, index: int) -> str:
        """What a photo is called in messages: its path, or its number in the data set, from 0."""
        row = int(self._rows[index])
        return str(self._items[row]) if isinstance(self._items, list) else f"photo {row} of `{self.name}`"

    def digest(self) -> str:
        """A hash of the names of the classes, and of the name and class of each photo, in their order.

        It stays where a folder is moved or called otherwise.
        """
        import hashlib

        paths = isinstance(self._items, list)
        names = [str(self._items[row]) if paths else str(row) for row in self._rows.tolist()]
        root = len(os.path.commonpath([min(names), max(names)])) if paths and names else 0
        entries = (f"{label} {name[root:]}" for label, name in zip(self.labels.tolist(), names, strict=True))
        made = hashlib.sha256("\0".join(self.classes).encode())
        for entry in entries:
            made.update(b"\0" + entry.encode(errors="surrogateescape"))
        return made.hexdigest()

    def open(self, index: int, channels: int | None = None) -> Any:
        """A photo as a PIL image, read wholly.

        Args:
            index: from 0.
            channels: 1, 3 or 4; None: as the file has them.

        Raises:
            InputError: it cannot be read; the message names it.
        """
        try:
            photo = self._open(self._items[int(self._rows[index])])
            photo.load()
            return photo if channels is None else as_channels(photo, channels)
        except Exception as error:  # the bytes may be anything, and Pillow does not say what it raises then
            message = f"{self.called(index)} cannot be read: {str(error) or type(error).__name__}"
            raise InputError(Problem(message, hint=f"repair or remove it; {SKIP}", code="E806")) from error


def open_file(path: str) -> Any:
    """The PIL image in a file."""
    from PIL import Image

    with Path(path).open("rb") as file:
        photo = Image.open(file)
        photo.load()
    return photo


def open_pixels(pixels: Any) -> Any:
    """The PIL image with these pixels, (H, W) or (H, W, 3), uint8."""
    from PIL import Image

    return Image.fromarray(pixels)


def as_it_is(photo: Any) -> Any:
    """What is a PIL image already."""
    return photo
