"""Mixing is timm's and big_vision's, by draws of its own that leave nothing behind."""

from typing import Any

import numpy as np
import pytest
import torch
from timm.data import Mixup

from tests.training.states import random_states, seed_all
from vitdsl.errors import InputError
from vitdsl.training.boxes import share_of
from vitdsl.training.draws import Purpose, seeded
from vitdsl.training.kinds import MixToken, MixupCutmix, Regions, RolledMixup
from vitdsl.training.loading import Batch
from vitdsl.training.mixing import Mixer, smooth_targets

CLASSES = 5


def batch_of(count: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(count)
    images = torch.randn(count, 3, 12, 16, generator=generator)
    labels = torch.arange(count) % CLASSES
    rows = torch.ones(count, dtype=torch.bool)
    boxes, flips = torch.zeros(count, 4), torch.zeros(count, 2, dtype=torch.bool)
    return Batch(images, labels, torch.arange(count), boxes, flips, rows, torch.zeros(0, dtype=torch.int64))


KINDS = [None, MixupCutmix(), RolledMixup(), MixToken(alpha=0.7), Regions()]


def mixer(mix: Any, **given: Any) -> Mixer:
    return Mixer(mix, CLASSES, **{"smoothing": 0.1, "seed": 3, "grid": (3, 4), **given})


def same(first: Any, second: Any) -> bool:
    return (
        torch.equal(first.images, second.images)
        and torch.equal(first.targets, second.targets)
        and first.box == second.box
    )


# ---------------------------------------------------------------- of all kinds


@pytest.mark.parametrize("mix", KINDS, ids=str)
def test_a_batch_is_mixed_by_its_seed_and_step_alone(mix: Any) -> None:
    batch, steps = batch_of(), range(12)
    kept = [each.clone() for each in batch]
    seed_all(1)
    before = random_states()
    made = [mixer(mix)(batch, step) for step in steps]
    assert random_states() == before
    assert all(torch.equal(*pair) for pair in zip(batch, kept, strict=True))
    seed_all(2)
    assert all(same(mixer(mix)(batch, step), made[step]) for step in reversed(steps))
    if mix is not None:
        for other in (mixer(mix, seed=4), mixer(mix, rank=1)):
            assert not all(same(other(batch, step), made[step]) for step in steps)
        assert not all(same(one, made[0]) for one in made)


@pytest.mark.parametrize("mix", KINDS, ids=str)
def test_soft_labels_are_distributions(mix: Any) -> None:
    for step in range(5):
        targets = mixer(mix)(batch_of(), step).targets
        if targets.ndim == 1:
            assert torch.equal(targets, batch_of().labels)
        else:
            assert targets.shape == (8, CLASSES)
            assert (targets.double().sum(1) - 1).abs().max() < 1e-6
            assert targets.min() >= 0.1 / CLASSES - 1e-6


# ---------------------------------------------------------------- mixup and CutMix


@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
@pytest.mark.parametrize("given", [
    {}, {"mixup": 0.0}, {"cutmix": 0.0}, {"probability": 0.5}, {"switch": 0.9, "mixup": 0.2},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mixup_and_cutmix_are_timms(mode: Any, given: dict[str, float], smoothing: float) -> None:
    mix = MixupCutmix(mode=mode, **given)  # type: ignore[arg-type]
    timms = Mixup(mix.mixup, mix.cutmix, None, mix.probability, mix.switch, mode, True, smoothing, CLASSES)
    batch = batch_of()
    for step in range(10):
        with seeded(Purpose.MIX, 3, step, 0):
            images, targets = timms(batch.images.clone(), batch.labels)
        made = mixer(mix, smoothing=smoothing)(batch, step)
        assert torch.equal(made.images, images)
        assert torch.equal(made.targets, targets)


def test_an_odd_number_of_images_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"mixes an even number of images, but a process has 7 \[E807\]\n.*an even `batch`"
    ):
        mixer(MixupCutmix())(batch_of(7), 0)


def test_labels_are_smoothed_as_timm_does() -> None:
    labels = torch.tensor([0, 3, 4])
    _, wanted = Mixup(1.0, prob=0.0, label_smoothing=0.3, num_classes=CLASSES)(
        torch.zeros(4, 1, 2, 2), torch.tensor([0, 3, 4, 0])
    )
    assert torch.equal(smooth_targets(labels, CLASSES, 0.3), wanted[:3])


# ---------------------------------------------------------------- the others


def test_rolled_mixup_keeps_at_least_half_of_each_image() -> None:
    batch, shares = batch_of(), []
    for step in range(60):
        made = mixer(RolledMixup(alpha=0.5), smoothing=0.0)(batch, step)
        own = made.targets.gather(1, batch.labels[:, None]).flatten()
        assert (own - own[0]).abs().max() == 0
        share = float(own[0])
        previous = batch.images[[7, *range(7)]]
        assert (made.images - (share * batch.images + (1 - share) * previous)).abs().max() < 1e-6
        assert (made.targets[0, batch.labels[7]] - (1 - share)).abs() < 1e-6
        shares.append(share)
    assert 0.5 <= min(shares) < 0.6
    assert max(shares) > 0.95


def test_rolled_mixup_draws_a_beta_distribution() -> None:
    batch = batch_of(2)._replace(images=torch.zeros(2, 1, 1, 1))
    given = mixer(RolledMixup(alpha=2.0), smoothing=0.0)
    shares = np.array([float(given(batch, step).targets.max()) for step in range(3000)])
    drawn = np.random.default_rng(0).beta(2.0, 2.0, 100_000)
    wanted = np.maximum(drawn, 1 - drawn)
    for power in (1, 2, 3):
        assert abs((shares**power).mean() - (wanted**power).mean()) < 0.01


def test_mix_token_draws_the_box_and_leaves_the_rest_to_the_model() -> None:
    batch = batch_of()
    made = [mixer(MixToken(alpha=0.7))(batch, step) for step in range(20)]
    assert all(each.images is batch.images and torch.equal(each.targets, batch.labels) for each in made)
    assert len({each.box for each in made}) > 5
    assert all(each.box is not None and 0 <= share_of(each.box, (3, 4)) <= 1 for each in made)


def test_regions_say_which_labels_are_inside_and_outside() -> None:
    batch, boxes = batch_of(), set()
    for step in range(20):
        made = mixer(Regions(), smoothing=0.0)(batch, step)
        assert made.regions is not None
        assert made.box is not None
        inside, outside = made.regions
        assert torch.equal(inside, batch.labels)
        assert sorted(outside.tolist()) == sorted(batch.labels.tolist())
        rows, columns = (slice(4 * first, 4 * last) for first, last in zip(made.box[:2], made.box[2:], strict=True))
        assert torch.equal(made.images[:, :, rows, columns], batch.images[:, :, rows, columns])
        share = share_of(made.box, (3, 4))
        wanted = share * smooth_targets(inside, CLASSES, 0) + (1 - share) * smooth_targets(outside, CLASSES, 0)
        assert torch.equal(made.targets, wanted)
        boxes.add(made.box)
    assert len(boxes) > 5


def test_regions_are_of_a_batch_that_was_mixed_before() -> None:
    batch, before = batch_of(), MixupCutmix(mixup=0, cutmix=1)
    both = mixer(Regions(before=before))(batch, 3)
    first = mixer(before)(batch, 3)
    assert both.regions is not None
    assert torch.equal(both.regions[0], first.targets)
    assert both.box is not None
    rows, columns = (slice(4 * start, 4 * end) for start, end in zip(both.box[:2], both.box[2:], strict=True))
    assert torch.equal(both.images[:, :, rows, columns], first.images[:, :, rows, columns])


@pytest.mark.parametrize("mix", [MixToken(), Regions()])
def test_what_mixes_on_a_grid_needs_one(mix: Any) -> None:
    with pytest.raises(ValueError, match="needs the grid of its point"):
        mixer(mix, grid=None)
