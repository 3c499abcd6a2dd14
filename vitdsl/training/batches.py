"""Which samples stand in which batch: in training a permutation for each epoch, in evaluation every image once.

Of each batch, rank r of k has the rows r, r + k, r + 2k, …: all ranks together see what one process sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vitdsl.errors import InputError, Problem
from vitdsl.training.draws import Purpose, sequence

ROUND = 256
"""With repeats, an epoch has a multiple of so many samples, as in timm and DeiT."""
PADDING = -1
"""In evaluation, the index of a row that is there so that all ranks have as many."""


class Key(NamedTuple):
    """A sample of a training: what its augmentation follows from, beside the seed.

    Attributes:
        epoch: from 0.
        index: of the photo.
        repeat: which of its augmentations in this epoch, from 0.
    """

    epoch: int
    index: int
    repeat: int


class TrainingBatches:
    """The batches of an epoch, of equal size; what is left over of an epoch is dropped.

    With `repeats`, each photo stands so many times in a row, and the epoch ends after as many samples as there are
    photos, so that it sees a part of them: `timm.data.distributed_sampler.RepeatAugSampler`, for the same permutation.
    timm counts for each rank; with at least 256 photos it comes to as many whole batches.

    Args:
        count: photos.
        batch: samples of a batch, of all ranks together.
        seed: what the permutations follow from.
        repeats: how often a photo stands there.
        rank: of this process.
        ranks: processes.
        parts: in which each batch comes, one after another; only whole batches do.

    Raises:
        InputError: the batch is larger than an epoch, or cannot be divided among the ranks and into the parts.
    """

    def __init__(
        self, count: int, batch: int, seed: int, repeats: int = 1, rank: int = 0, ranks: int = 1, parts: int = 1
    ) -> None:
        _check_division(batch, ranks, parts)
        self.count, self.batch, self.seed, self.repeats = count, batch // parts, seed, repeats
        self.rank, self.ranks = rank, ranks
        self.epoch, self.first = 0, 0
        samples = count if repeats == 1 or count < ROUND else count // ROUND * ROUND
        self.steps = samples // batch * parts
        if not self.steps:
            message = f"a batch has {batch:,} images, but an epoch has only {samples:,}"
            raise InputError(Problem(message, hint=f"`batch: {samples}` at most", code="E807"))

    def set_epoch(self, epoch: int, first: int = 0) -> None:
        """Which epoch comes next, and at which batch of it: 0 but where a training is resumed."""
        self.epoch, self.first = epoch, first

    def __len__(self) -> int:
        return self.steps - self.first

    def __iter__(self) -> Iterator[list[Key]]:
        order = epoch_order(self.count, self.seed, self.epoch)
        for step in range(self.first, self.steps):
            places = np.arange(step * self.batch + self.rank, (step + 1) * self.batch, self.ranks)
            indices = order[places // self.repeats].tolist()
            repeats = (places % self.repeats).tolist()
            yield [Key(self.epoch, index, repeat) for index, repeat in zip(indices, repeats, strict=True)]


class EvaluationBatches:
    """Batches in which every image stands once, in their order.

    Where the last batch cannot be divided among the ranks, it has rows of `PADDING`, fewer than there are ranks.

    Args:
        count: photos.
        batch: rows of a batch, of all ranks together.
        rank: of this process.
        ranks: processes.

    Raises:
        InputError: the batch cannot be divided among the ranks.
    """

    def __init__(self, count: int, batch: int, rank: int = 0, ranks: int = 1) -> None:
        _check_division(batch, ranks)
        self.count, self.batch, self.rank, self.ranks = count, batch, rank, ranks

    def set_epoch(self, epoch: int, first: int = 0) -> None:
        """All epochs are alike."""

    def __len__(self) -> int:
        return -(-self.count // self.batch)

    def __iter__(self) -> Iterator[list[int]]:
        for start in range(0, self.count, self.batch):
            rows = min(self.batch, self.count - start)
            rows = -(-rows // self.ranks) * self.ranks
            places = range(start + self.rank, start + rows, self.ranks)
            yield [place if place < self.count else PADDING for place in places]


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The permutation of so many photos in an epoch, (N,). Numpy promises that it stays the same in later releases."""
    bits = np.random.MT19937(sequence(Purpose.ORDER, seed, epoch))
    return np.random.RandomState(bits).permutation(count)


def _check_division(batch: int, ranks: int, parts: int = 1) -> None:
    if batch % (ranks * parts):
        near = max(batch // (ranks * parts), 1) * ranks * parts
        ways = [f"among {ranks} processes"] if ranks > 1 else []
        ways += [f"into {parts} parts"] if parts > 1 else []
        message = f"a batch of {batch} images cannot be divided equally {' and '.join(ways)}"
        raise InputError(Problem(message, hint=f"`batch: {near}`", code="E807"))
