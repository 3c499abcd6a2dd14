"""From a batch to mixed images and their labels, in the ways that a recipe names.

Shape letters: B images, C channels, H and W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vitdsl.errors import InputError, Problem
from vitdsl.training import INSTALL
from vitdsl.training.boxes import Box, Grid, draw_box, draw_patch_box, mix_outside, share_of
from vitdsl.training.draws import Purpose, seeded, sequence
from vitdsl.training.kinds import MixToken, MixupCutmix, Regions, RolledMixup
from vitdsl.training.loading import Batch
from vitdsl.training.needs import says_where


class Mixed(NamedTuple):
    """What a model is given, and what it should say.

    Attributes:
        images: (B, C, H, W); those of the batch where nothing is mixed in pixels.
        targets: class numbers (B,) where no labels are mixed, neither smoothed; otherwise (B, K), smoothed and mixed.
        box: on the grid of a point, where tokens or regions are mixed.
        regions: the labels of the images inside of the box, and of those outside: (B,), or (B, K) where these were
            mixed before.
        inside: 1 where a pixel is inside of CutMix's box, (H, W), where all images of the batch have the same.
    """

    images: Tensor
    targets: Tensor
    box: Box | None = None
    regions: tuple[Tensor, Tensor] | None = None
    inside: Tensor | None = None


class Mixer:
    """Mixes batches in the way that a recipe names; every draw follows from the seed, the step and the rank.

    Args:
        mix: a kind of `vitdsl.training.kinds.MIXES`, or None.
        classes: K.
        smoothing: the share of a label that is spread over all classes.
        seed: what the draws follow from.
        rank: of this process; each mixes its own rows.
        grid: of the point at which tokens or regions are mixed.

    Raises:
        InputError: timm is not installed, which mixes by `mixup_cutmix`.
    """

    def __init__(
        self,
        mix: Any,
        classes: int,
        smoothing: float = 0.0,
        seed: int = 0,
        rank: int = 0,
        grid: Grid | None = None,
    ) -> None:
        if isinstance(mix, (MixToken, Regions)) and grid is None:
            raise ValueError(f"`{mix.type}` needs the grid of its point")
        self.mix: Any = mix
        self.classes, self.smoothing = classes, smoothing
        self.seed, self.rank, self.grid = seed, rank, grid
        first = mix.before if isinstance(mix, Regions) else mix
        self._timm = _timms(first, classes, smoothing) if isinstance(first, MixupCutmix) else None

    def __call__(self, batch: Batch, step: int) -> Mixed:
        """The batch mixed; the batch itself is left as it is.

        Args:
            batch: of a training.
            step: of the training, from 0; another one has other draws.

        Raises:
            InputError: `mixup_cutmix` with an odd number of images.
        """
        if self.mix is None:
            return Mixed(batch.images, batch.labels)
        return _WAYS[type(self.mix)](self, batch, step)

    def check_rows(self, rows: int) -> None:
        """Refuses batches that cannot be mixed so.

        Args:
            rows: images that are mixed at once.

        Raises:
            InputError: `mixup_cutmix` with an odd number of images.
        """
        if self._timm is not None and rows % 2:
            message = f"`mixup_cutmix` mixes an even number of images, but a process has {rows:,}"
            raise InputError(
                Problem(
                    message, hint="an even `batch` for each process, and for each part of `accumulate`", code="E807"
                )
            )

    def _generator(self, step: int) -> np.random.Generator:
        return np.random.default_rng(sequence(Purpose.MIX, self.seed, step, self.rank))

    def mixup_cutmix(self, batch: Batch, step: int) -> Mixed:
        """Timm's `Mixup`, of images in reverse order."""
        assert self._timm is not None
        self.check_rows(len(batch.labels))
        with seeded(Purpose.MIX, self.seed, step, self.rank):
            images, targets = self._timm(batch.images.clone(), batch.labels)
        if not says_where(self.mix):
            return Mixed(images, targets)
        return Mixed(images, targets, None, (batch.labels.flip(0), batch.labels), self._inside(batch.images, step))

    def _inside(self, images: Tensor, step: int) -> Tensor:
        """Where timm puts the other image, as two images show of which one is zeros and one is ones, (H, W)."""
        assert self._timm is not None
        height, width = images.shape[2:]
        probe = torch.stack([images.new_zeros(1, height, width), images.new_ones(1, height, width)])
        with seeded(Purpose.MIX, self.seed, step, self.rank):
            return self._timm(probe, torch.zeros(2, dtype=torch.int64, device=images.device))[0][0, 0]

    def rolled_mixup(self, batch: Batch, step: int) -> Mixed:
        """Each image with the one before it, of the batch's end for the first; one share for all, of at least a half.

        Source: big_vision's `mixup` with two images, of arXiv 2205.01580.
        """
        drawn = self._generator(step).beta(self.mix.alpha, self.mix.alpha)
        share = float(max(drawn, 1 - drawn))
        targets_bk = smooth_targets(batch.labels, self.classes, self.smoothing)
        images, targets = (share * each + (1 - share) * each.roll(1, 0) for each in (batch.images, targets_bk))
        return Mixed(images, targets)

    def mix_token(self, batch: Batch, step: int) -> Mixed:
        """The box alone: the model mixes tokens at the point, and the loss mixes labels by the box."""
        assert self.grid is not None
        return Mixed(batch.images, batch.labels, draw_box(self.grid, self._generator(step), self.mix.alpha))

    def regions(self, batch: Batch, step: int) -> Mixed:
        """Images with the outside of a box from another image of a permutation, and labels by its share.

        The batch may be mixed in another way before that.
        """
        assert self.grid is not None
        generator = self._generator(step)
        box = draw_patch_box(self.grid, generator)
        order_b = torch.from_numpy(generator.permutation(len(batch.labels))).to(batch.labels.device)
        before = self.mixup_cutmix(batch, step) if self._timm is not None else None
        images = batch.images if before is None else before.images
        own_bk = smooth_targets(batch.labels, self.classes, self.smoothing) if before is None else before.targets
        inside = batch.labels if before is None else own_bk
        share = share_of(box, self.grid)
        targets_bk = share * own_bk + (1 - share) * own_bk[order_b]
        return Mixed(mix_outside(images, order_b, self.grid, box), targets_bk, box, (inside, inside[order_b]))


_WAYS: dict[type, Callable[[Mixer, Batch, int], Mixed]] = {
    MixupCutmix: Mixer.mixup_cutmix, RolledMixup: Mixer.rolled_mixup, MixToken: Mixer.mix_token, Regions: Mixer.regions,
}  # fmt: skip


def _timms(mix: MixupCutmix, classes: int, smoothing: float) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    try:
        from timm.data.mixup import Mixup
    except ImportError:
        raise InputError(Problem(f"`mixup_cutmix` needs timm: {INSTALL}", code="E601")) from None
    return Mixup(
        mixup_alpha=mix.mixup, cutmix_alpha=mix.cutmix, prob=mix.probability, switch_prob=mix.switch, mode=mix.mode,
        label_smoothing=smoothing, num_classes=classes,
    )  # fmt: skip


def smooth_targets(labels_b: Tensor, classes: int, smoothing: float) -> Tensor:
    """Labels as distributions, (B, K): 1 − s + s/K for the class, s/K for others; as timm writes them in `Mixup`.

    Args:
        labels_b: class numbers, (B,).
        classes: K.
        smoothing: s, from 0 to 1.
    """
    other = smoothing / classes
    targets_bk = torch.full((len(labels_b), classes), other, device=labels_b.device)
    return targets_bk.scatter_(1, labels_b[:, None], 1 - smoothing + other)
