"""Batches of images, made by other processes or by this one: the same, whoever makes them, and in whichever order.

Shape letters: B images, C channels, H and W pixels, S photos that were skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vitdsl.errors import InputError, Problem
from vitdsl.preprocess import transform
from vitdsl.spec import Spec
from vitdsl.training.augmentation import WHOLE, Augmentation, Augmented
from vitdsl.training.batches import PADDING, EvaluationBatches, Key, TrainingBatches
from vitdsl.training.draws import Purpose, seeded
from vitdsl.training.photos import Photos
from vitdsl.training.recipe import RecipeFile

Corrupt = Literal["error", "skip"]
"""What happens where a photo cannot be read."""
TRIES = 100
"""After so many photos in a row that cannot be read, a training stops."""


class Batch(NamedTuple):
    """Images with their classes.

    Attributes:
        images: (B, C, H, W), float32, normalised.
        labels: class numbers, (B,), int64.
        indices: of the photos, (B,), int64; -1 where a row has none.
        boxes: the part of each photo, (B, 4): top, left, height, width, in shares of its height and width.
        flips: whether that part was then flipped horizontally and vertically, (B, 2).
        valid: which rows count, (B,). In training all do; in evaluation not those that pad the batch, and those whose
            photo could not be read: their images are zeros.
        skipped: indices of photos that could not be read, (S,). In training others have taken their places.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    boxes: Tensor
    flips: Tensor
    valid: Tensor
    skipped: Tensor

    def to(self, device: Any, non_blocking: bool = False) -> Batch:
        """The same on another device."""
        return Batch(*(each.to(device, non_blocking=non_blocking) for each in self))

    def boxes_of_flipped(self) -> Tensor:
        """The boxes as they lie on photos that are flipped first, and cut then, (B, 4)."""
        top_b, left_b, height_b, width_b = self.boxes.unbind(1)
        sideways_b, down_b = self.flips.unbind(1)
        left_b = torch.where(sideways_b, 1 - left_b - width_b, left_b)
        top_b = torch.where(down_b, 1 - top_b - height_b, top_b)
        return torch.stack([top_b, left_b, height_b, width_b], 1)


class Sample(NamedTuple):
    """A row of a batch."""

    made: Augmented
    label: int
    index: int
    valid: bool
    skipped: Sequence[int]


class BadSample(NamedTuple):
    """What is wrong with the photos, found in another process."""

    problems: tuple[Problem, ...]


# ---------------------------------------------------------------- samples


class TrainingPhotos(Dataset):
    """Augmented photos by key.

    Where a photo cannot be read and is skipped, the next one takes its place, with the draws that it has itself.

    Args:
        photos: those that train.
        augmentation: what makes images of them.
        seed: what the draws follow from, with the key.
        corrupt: `error`, or `skip`.
    """

    def __init__(self, photos: Photos, augmentation: Augmentation, seed: int, corrupt: Corrupt = "error") -> None:
        self.photos, self.augmentation, self.seed, self.corrupt = photos, augmentation, seed, corrupt

    def __getitem__(self, key: Key) -> Sample | BadSample:
        skipped: list[int] = []
        for distance in range(min(TRIES, len(self.photos))):
            index = (key.index + distance) % len(self.photos)
            try:
                photo = self.photos.open(index, self.augmentation.channels)
            except InputError as error:
                if self.corrupt == "error":
                    return BadSample(error.problems)
                skipped.append(index)
                continue
            with seeded(Purpose.AUGMENT, self.seed, key.epoch, index, key.repeat):
                made = self.augmentation(photo)
            return Sample(made, int(self.photos.labels[index]), index, True, skipped)
        message = f"{len(skipped)} photos in a row cannot be read, from {self.photos.called(key.index)} on"
        return BadSample((Problem(message, hint="whether the folder, or its disk, is still there", code="E806"),))


class EvaluationPhotos(Dataset):
    """Photos as the spec's `input` evaluates them, by index; zeros for `PADDING`, and for photos that are skipped.

    Args:
        photos: those that evaluate.
        spec: whose `input` is read.
        corrupt: `error`, or `skip`.
    """

    def __init__(self, photos: Photos, spec: Spec, corrupt: Corrupt = "error") -> None:
        given = spec.model.input
        self.photos, self.corrupt, self.apply = photos, corrupt, transform(spec)
        self.shape = (given.channels, *given.size)

    def __getitem__(self, index: int) -> Sample | BadSample:
        if index == PADDING:
            return blank(self.shape, ())
        try:
            photo = self.photos.open(index, self.shape[0])
        except InputError as error:
            return BadSample(error.problems) if self.corrupt == "error" else blank(self.shape, [index])
        made = Augmented(self.apply(photo), WHOLE, (False, False))
        return Sample(made, int(self.photos.labels[index]), index, True, ())


def blank(shape: Sequence[int], skipped: Sequence[int]) -> Sample:
    """A row that stands for no photo, or for photos that were skipped: zeros of the shape of an image (C, H, W)."""
    return Sample(Augmented(torch.zeros(*shape), WHOLE, (False, False)), 0, PADDING, False, skipped)


def collate(samples: Sequence[Sample | BadSample]) -> Batch | BadSample:
    """A batch of samples, or the first bad one among them."""
    rows = []
    for sample in samples:
        if isinstance(sample, BadSample):
            return sample
        rows.append(sample)
    return Batch(
        torch.stack([row.made.image for row in rows]),
        torch.tensor([row.label for row in rows]),
        torch.tensor([row.index for row in rows]),
        torch.tensor([row.made.box for row in rows], dtype=torch.float32),
        torch.tensor([row.made.flips for row in rows]),
        torch.tensor([row.valid for row in rows]),
        torch.tensor([index for row in rows for index in row.skipped], dtype=torch.int64),
    )


# ---------------------------------------------------------------- loaders


class Loader:
    """The batches of an epoch; nothing is drawn from global random states.

    Args:
        samples: what a key is.
        batches: the keys of each batch.
        workers: processes that make batches ahead; 0: this one makes them when they are asked for.
        pin: whether batches are in memory that goes to a GPU fast.

    Attributes:
        batches: the keys of each batch.
        unreadable: indices of the photos that were skipped so far, by this process.
    """

    def __init__(
        self, samples: Dataset, batches: TrainingBatches | EvaluationBatches, workers: int = 0, pin: bool = False
    ) -> None:
        self.batches, self.unreadable = batches, set[int]()
        self._loader: DataLoader[Any] = DataLoader(
            samples, batch_sampler=batches, num_workers=workers, collate_fn=collate, pin_memory=pin,  # type: ignore[arg-type]
            persistent_workers=workers > 0, generator=torch.Generator(),
        )  # fmt: skip

    @property
    def sampler(self) -> TrainingBatches | EvaluationBatches:
        """What Lightning tells the epoch, before each."""
        return self.batches

    batch_sampler = sampler

    def set_epoch(self, epoch: int, first: int = 0) -> None:
        """Which epoch comes next, and at which batch of it."""
        self.batches.set_epoch(epoch, first)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        """The batches.

        Raises:
            InputError: a photo cannot be read, and is not skipped; or too many in a row.
        """
        for batch in self._loader:
            if isinstance(batch, BadSample):
                raise InputError(batch.problems)
            self.unreadable.update(batch.skipped.tolist())
            yield batch


def training_loader(
    photos: Photos,
    spec: Spec,
    recipe: RecipeFile,
    *,
    workers: int = 0,
    rank: int = 0,
    ranks: int = 1,
    parts: int = 1,
    corrupt: Corrupt = "error",
    pin: bool = False,
) -> Loader:
    """The batches that a recipe trains on.

    Args:
        photos: those that train.
        spec: whose `input` says what images are.
        recipe: its `augment`, `batch` and `seed` are read.
        workers: processes that make batches ahead.
        rank: of this process.
        ranks: processes that train together, each with its rows of every batch.
        parts: in which each batch comes, one after another.
        corrupt: what happens where a photo cannot be read: `error`, or `skip`: another one takes its place.
        pin: whether batches are in memory that goes to a GPU fast.

    Raises:
        InputError: the batch does not fit the photos, the ranks or the parts, or an operation not the channels.
    """
    samples = TrainingPhotos(photos, Augmentation(spec, recipe.augment), recipe.seed, corrupt)
    batches = TrainingBatches(len(photos), recipe.batch, recipe.seed, recipe.augment.repeats, rank, ranks, parts)
    return Loader(samples, batches, workers, pin)


def evaluation_loader(
    photos: Photos,
    spec: Spec,
    batch: int,
    *,
    workers: int = 0,
    rank: int = 0,
    ranks: int = 1,
    corrupt: Corrupt = "error",
    pin: bool = False,
) -> Loader:
    """Batches in which every photo stands once; what is left out of account is not `valid`.

    Args:
        photos: those that evaluate.
        spec: whose `input` says what images are.
        batch: rows of a batch, of all ranks together.
        workers: as in `training_loader`, and so are the others.
        rank: of this process.
        ranks: processes that evaluate together.
        corrupt: what happens where a photo cannot be read: `error`, or `skip`: it does not count.
        pin: whether batches are in memory that goes to a GPU fast.

    Raises:
        InputError: the batch cannot be divided among the ranks.
    """
    return Loader(
        EvaluationPhotos(photos, spec, corrupt), EvaluationBatches(len(photos), batch, rank, ranks), workers, pin
    )
