"""Files of token labels: a teacher's best scores at every position of each photo that trains, and what they are of.

A file is safetensors with one tensor, (N, 2, T, H, W) in float16 as `pack_scores` gives it, and a text in its header.
It is written batch by batch and read row by row, so it may be larger than memory.

Shapes: N photos, B images, T best classes of a position, H rows and W columns of the map, K classes, n tokens.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vitdsl.checkpoints.files import read_metadata
from vitdsl.errors import CheckpointError, InputError, Problem, SpecError
from vitdsl.resolve.files import write_whole
from vitdsl.spec import Spec
from vitdsl.training.boxes import Grid
from vitdsl.training.kinds import TokenLabels
from vitdsl.training.loading import Batch
from vitdsl.training.needs import training_outputs
from vitdsl.training.photos import Photos
from vitdsl.training.recipe import Recipe
from vitdsl.training.token_labels import make_token_labels

TENSOR = "labels"
HEADER_TEXT = "vitdsl.labels"
"""The text in a file's header that holds a `LabelHeader`, as JSON."""
MAKE = "`vitdsl label DATA --teacher SPEC --weights FILE -o FILE` makes labels"
ALIGNED = 8
"""The header of a safetensors file is filled up to a multiple of so many bytes."""


class LabelHeader(NamedTuple):
    """What labels are of.

    Attributes:
        data: the name of the data set, as it was given.
        photos: how many of it train, N.
        digest: of the list of their names and classes, `Photos.digest`.
        classes: K.
        teacher: who says it.
        size: height and width of the images that it was shown.
        count: classes that are kept of each position, T.
        grid: rows and columns of positions.
        version: of vitdsl.
    """

    data: str
    photos: int
    digest: str
    classes: int
    teacher: str
    size: Grid
    count: int
    grid: Grid
    version: str

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Of the tensor: (N, 2, T, H, W)."""
        return (self.photos, 2, self.count, *self.grid)

    @property
    def size_of_file(self) -> int:
        """Bytes of the labels."""
        return 2 * math.prod(self.shape)


@contextmanager
def writing_labels(path: Path, header: LabelHeader) -> Iterator[Callable[[Tensor], None]]:
    """Gives what writes the next rows, (B, 2, T, H, W); the file appears at the end, when all are there.

    Args:
        path: the file, which is replaced if it is there.
        header: what the labels are of.

    Raises:
        OSError: the file cannot be written; what was there is as it was.
        ValueError: there are more rows, or fewer, than the header says.
    """
    written = 0
    with write_whole(path) as draft:
        with draft.open("wb") as file:
            file.write(_start(header))

            def write(packed_b2thw: Tensor) -> None:
                nonlocal written
                if packed_b2thw.shape[1:] != header.shape[1:] or packed_b2thw.dtype != torch.float16:
                    raise ValueError(f"rows must be {header.shape[1:]} in float16, but are {packed_b2thw.shape[1:]}")
                file.write(packed_b2thw.contiguous().numpy().astype("<f2", copy=False).tobytes())
                written += len(packed_b2thw)

            yield write
        if written != header.photos:
            raise ValueError(f"there must be {header.photos} rows, but {written} were written")


def _start(header: LabelHeader) -> bytes:
    """What stands before the values: the length of a JSON text, and the text."""
    entry = {"dtype": "F16", "shape": header.shape, "data_offsets": [0, header.size_of_file]}
    text = json.dumps({"__metadata__": {HEADER_TEXT: json.dumps(header._asdict())}, TENSOR: entry}).encode()
    text += b" " * (-len(text) % ALIGNED)
    return len(text).to_bytes(8, "little") + text


# ---------------------------------------------------------------- reading


class TokenLabelFile:
    """Stored labels, and those of a batch's crops.

    Attributes:
        path: the file.
        header: what its labels are of.
    """

    def __init__(self, path: str | Path, photos: Photos) -> None:
        """Opens the file; rows are read when they are asked for.

        Args:
            path: the file.
            photos: those that train, in their order.

        Raises:
            InputError: there is no such file, or it is of other photos.
        """
        self.path = Path(path)
        self.header = read_header(self.path)
        _check_photos(self.path, self.header, photos)
        self._rows = _open(self.path)

    def packed(self, indices_b: Tensor) -> Tensor:
        """The stored scores of photos by index, (B, 2, T, H, W), on the CPU."""
        return torch.cat([self._rows[index : index + 1] for index in indices_b.tolist()])

    def labels(self, batch: Batch, grid: Grid | None, smoothing: float = 0.1) -> Tensor:
        """Labels of a batch's images and of their tokens, (B, K, 2 + n), on the device of the batch.

        Args:
            batch: its indices, boxes and flips are read.
            grid: of the tokens.
            smoothing: as in `make_token_labels`.
        """
        packed = self.packed(batch.indices).to(batch.boxes.device)
        down = batch.flips[:, 1, None, None, None, None]
        packed = torch.where(down, packed.flip(3), packed)
        return make_token_labels(
            packed, batch.boxes_of_flipped(), batch.labels, self.header.classes, grid, flipped_b=batch.flips[:, 0],
            smoothing=smoothing,
        )  # fmt: skip


def read_header(path: Path) -> LabelHeader:
    """What the labels of a file are of.

    Raises:
        InputError: there is no such file, it is damaged, or it holds something else.
    """
    if not path.is_file():
        raise InputError(Problem(f"there is no file `{path}`", hint=MAKE, code="E814"))
    try:
        found = json.loads(read_metadata(path)[HEADER_TEXT])
        grids = {name: (int(found[name][0]), int(found[name][1])) for name in ("size", "grid")}
        return LabelHeader(**{**found, **grids})
    except CheckpointError as error:
        raise InputError(Problem(error.headline, hint=MAKE, code=error.code)) from None
    except (KeyError, ValueError, TypeError, IndexError):
        raise InputError(Problem(f"{path} holds no labels of tokens", hint=MAKE, code="E814")) from None


def _open(path: Path) -> Any:
    import safetensors

    return safetensors.safe_open(path, framework="pt").get_slice(TENSOR)


def _check_photos(path: Path, header: LabelHeader, photos: Photos) -> None:
    """Refuses labels of other photos."""
    there = f"{path} has labels of {header.photos:,} photos of `{header.data}`, of {header.classes} classes"
    if header.classes != len(photos.classes):
        message = f"{there}, but `{photos.name}` has {len(photos.classes)} classes"
    elif header.photos != len(photos):
        message = f"{there}, but {len(photos):,} photos of `{photos.name}` train"
    elif header.digest != photos.digest():
        message = f"{there}, but photos or classes of `{photos.name}` have other names, or another order"
    else:
        return
    hint = f"{MAKE}; its `--validation` must be the recipe's `validation`"
    raise InputError(Problem(message, hint=hint, code="E814"))


# ---------------------------------------------------------------- recipes


def token_labels_of(recipe: Recipe, spec: Spec, photos: Photos) -> dict[str, Callable[[Batch], Tensor]]:
    """By the name of a loss, what gives the labels of a batch, for all losses whose labels are in files.

    Args:
        recipe: whose losses name files: beside the recipe, or seen from here.
        spec: whose grid of tokens is labelled.
        photos: those that train.

    Raises:
        SpecError: a file is not there, or does not fit, at its place in the recipe.
    """
    found, problems = {}, []
    for name, loss in recipe.file.losses.items():
        if not isinstance(loss, TokenLabels) or loss.file is None:
            continue
        at = ("losses", name, "file")
        try:
            file = TokenLabelFile(recipe.path_of(at, loss.file), photos)
        except InputError as error:
            problems += [recipe.problem(at, each.message, each.hint, code=each.code) for each in error.problems]
            continue
        grid = training_outputs(spec.graph())[loss.output].grid
        found[name] = _labelling(file, grid, loss.smoothing)
    if problems:
        raise SpecError(problems)
    return found


def _labelling(file: TokenLabelFile, grid: Grid | None, smoothing: float) -> Callable[[Batch], Tensor]:
    return lambda batch: file.labels(batch, grid, smoothing)
