"""The training transform is timm's, draw for draw; what it says of crops and flips is what was done."""

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from timm.data import create_transform

from tests.training.pictures import MODES, photo, spec_of
from tests.training.states import random_states, seed_all
from vitdsl.errors import SpecError
from vitdsl.preprocess import transform
from vitdsl.training.augmentation import Augmentation, posterized
from vitdsl.training.kinds import NoCrop, PaddedCrop, RandomResizedCrop
from vitdsl.training.recipe import Augment, load_recipe

POLICIES = [
    None, "rand-m9-mstd0.5-inc1", "rand-m7-n3-p0.8-t3a", "rand-mstd101-tweights", "augmix-m5-w4-d2", "augmix-b1",
    "original-mstd0.5", "v0", "3a", "three",
]  # fmt: skip
PHOTOS = 20
"""Photos that are compared, of different sizes."""


def augment(**given: Any) -> Augment:
    """The `augment` of a recipe."""
    return load_recipe("{epochs: 1, batch: 2, optimizer: {learning_rate: 1}}", set={"augment": given}).file.augment


def timms(spec: Any, given: Augment) -> Any:
    """What timm makes of the same numbers; its jitter is 0.4 by default, and draws even at 0."""
    size, image = list(spec.model.input.size), spec.model.input
    words = None if given.policy is None else given.policy.replace("three", "3a")
    return create_transform(
        (3, *size), is_training=True, scale=tuple(given.crop.scale), ratio=tuple(given.crop.ratio), hflip=given.flip,
        vflip=given.vertical_flip, color_jitter=given.color_jitter or None, auto_augment=words,
        interpolation=image.interpolation, re_prob=given.erase, re_mode="pixel",
    )  # fmt: skip


def assert_equal_draws(spec: Any, given: Augment) -> None:
    ours, theirs = Augmentation(spec, given), timms(spec, given)
    compared = 0
    for seed in range(PHOTOS):
        picture = photo((30 + 7 * seed, 60 - 2 * seed), seed)
        seed_all(seed)
        mine = ours(picture).image
        after = random_states()
        seed_all(seed)
        try:
            wanted = theirs(picture)
        except ValueError as error:  # timm posterizes to 0 bits, which newer Pillows refuse
            assert "bits must be" in str(error)  # noqa: PT017
            continue
        compared += 1
        assert torch.equal(mine, wanted)
        assert random_states() == after
    assert compared > PHOTOS / 2


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_are_timms(policy: str | None) -> None:
    assert_equal_draws(spec_of(size=(24, 32)), augment(policy=policy, erase=0.5))


@pytest.mark.parametrize("given", [
    {"flip": 0.0}, {"flip": 1.0, "vertical_flip": 0.5}, {"vertical_flip": 1.0, "erase": 1.0}, {"color_jitter": 0.4},
    {"policy": "three", "color_jitter": 0.3}, {"crop": {"type": "random_resized", "scale": [0.5, 1], "ratio": [1, 1]}},
    {"crop": {"type": "random_resized", "scale": [0.9, 1], "ratio": [8, 9]}},
])  # fmt: skip
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
def test_crops_flips_and_colours_are_timms(given: dict[str, Any], interpolation: str) -> None:
    assert_equal_draws(spec_of(size=(16, 16), interpolation=interpolation), augment(**given))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("policy", ["rand-m10-n15-p1-inc1", "rand-m0-n15-p1", "rand-mstd101-n15-p1-mmax30-m30", "v0"])
def test_no_magnitude_is_too_large(policy: str, mode: str) -> None:
    apply = Augmentation(spec_of(channels=len(mode)), augment(policy=policy))
    for seed in range(30):
        seed_all(seed)
        assert apply(photo(mode=mode, seed=seed)).image.isfinite().all()


def test_no_bits_are_black() -> None:
    picture = photo()
    assert posterized(picture, 0).getextrema() == ((0, 0),) * 3
    assert (posterized(picture, 8), posterized(picture, 3)) == (picture, ImageOps.posterize(picture, 3))


def test_jitter_beside_a_policy_is_done() -> None:
    spec, picture = spec_of(), photo()
    made = []
    for jitter in (0.0, 0.9):
        seed_all(1)
        made.append(Augmentation(spec, augment(policy="rand-m1", color_jitter=jitter))(picture).image)
    assert not torch.equal(*made)


def test_three_is_one_of_grey_solarized_and_blurred() -> None:
    spec, picture = spec_of(size=(30, 40)), photo()
    kinds = set()
    apply = Augmentation(spec, augment(crop="none", flip=0, policy="three"))
    plain = transform(spec)(picture)
    for seed in range(20):
        seed_all(seed)
        x_chw = (apply(picture).image * torch.tensor([0.229, 0.224, 0.225])[:, None, None]) + torch.tensor(
            [0.485, 0.456, 0.406]
        )[:, None, None]
        grey = (x_chw[0] - x_chw[1]).abs().max() < 1 / 512 and (x_chw[1] - x_chw[2]).abs().max() < 1 / 512
        kinds.add("grey" if grey else "solarized" if x_chw.max() < 0.51 else "blurred")
        assert not torch.equal(apply(picture).image, plain)
    assert kinds == {"grey", "solarized", "blurred"}


# ---------------------------------------------------------------- geometry


@pytest.mark.parametrize("size", [(16, 16), (24, 12)])
@pytest.mark.parametrize("crop", [0.875, 1.0])
def test_without_a_crop_the_image_is_evaluations(size: tuple[int, int], crop: float) -> None:
    spec, picture = spec_of(size=size, crop=crop), photo((50, 37))
    before = random_states()
    made = Augmentation(spec, augment(crop="none", flip=0))(picture)
    assert random_states() == before
    assert torch.equal(made.image, transform(spec)(picture))
    top, left, height, width = made.box
    assert top + height / 2 == pytest.approx(0.5, abs=1e-12)
    assert left + width / 2 == pytest.approx(0.5, abs=1e-12)
    assert max(height, width) == pytest.approx(crop, abs=1e-12)
    assert height * 37 / (width * 50) == pytest.approx(size[0] / size[1], abs=1e-12)


def slopes(size: tuple[int, int]) -> Image.Image:
    """A photo whose red says the column and whose green the row, both from 0 to 1."""
    width, height = size
    columns, rows = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    return Image.fromarray((np.stack([columns, rows, 0 * rows], 2) * 255).round().astype(np.uint8))


@pytest.mark.parametrize("given", [
    {"crop": {"type": "random_resized", "scale": [0.2, 0.9]}}, {"crop": {"type": "padded", "padding": 3}},
    {"crop": "none"},
    {"crop": {"type": "padded", "padding": 5, "fill": "reflect"}},
])  # fmt: skip
def test_the_box_and_the_flips_say_what_the_image_shows(given: dict[str, Any]) -> None:
    spec = spec_of(size=(64, 64), mean=[0, 0, 0], std=[1, 1, 1], interpolation="bilinear")
    apply = Augmentation(spec, augment(**given, vertical_flip=0.5))
    seen = set()
    for seed in range(24):
        seed_all(seed)
        image, (top, left, height, width), flips = apply(slopes((200, 160)))
        seen.add(flips)
        columns, rows = (torch.linspace(0.5 / 64, 1 - 0.5 / 64, 64) for _ in range(2))
        columns = left + width * (1 - columns if flips[0] else columns)
        rows = top + height * (1 - rows if flips[1] else rows)
        inside = slice(8, -8)
        assert (image[0] - columns[None, :])[inside, inside].abs().max() < 0.02
        assert (image[1] - rows[:, None])[inside, inside].abs().max() < 0.02
    assert len(seen) == 4


def test_a_margin_is_black_or_a_reflection() -> None:
    spec, white = spec_of(mean=[0, 0, 0], std=[1, 1, 1]), Image.new("RGB", (16, 16), (255, 255, 255))
    for fill, least in (("zeros", 0), ("reflect", 1)):
        apply = Augmentation(spec, augment(crop={"type": "padded", "padding": 6, "fill": fill}))
        seed_all(0)
        images = [apply(white).image for _ in range(30)]
        assert min(float(each.min()) for each in images) == least
        assert all(each.shape == (3, 16, 16) for each in images)
        if fill == "zeros":
            shown = {int(each[0].sum()) for each in images}
            assert len(shown) > 8
            assert max(shown) <= 256
            assert min(shown) >= 100


# ---------------------------------------------------------------- channels


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("mode", MODES)
def test_photos_of_any_mode_become_images_of_any_channels(mode: str, channels: int) -> None:
    given = augment(color_jitter=0.4, erase=0.5, vertical_flip=0.5)
    for crop in (RandomResizedCrop(), PaddedCrop(padding=2, fill="reflect"), NoCrop()):
        seed_all(0)
        apply = Augmentation(spec_of(channels=channels, size=(12, 16)), given.replace(crop=crop))
        for _ in range(3):
            made = apply(photo(mode=mode))
            assert made.image.shape == (channels, 12, 16)
            assert made.image.dtype == torch.float32
            assert made.image.isfinite().all()


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy])
def test_policies_work_on_grey_photos_and_not_on_four_channels(policy: str) -> None:
    apply = Augmentation(spec_of(channels=1), augment(policy=policy))
    for seed in range(30):
        seed_all(seed)
        assert apply(photo(mode="L", seed=seed)).image.shape == (1, 16, 16)
    with pytest.raises(
        SpecError, match=r"(?s)works on photos of 1 or 3 channels, but this spec's have 4 \[E801\]\n.*hint"
    ) as caught:
        Augmentation(spec_of(channels=4), augment(policy=policy))
    assert caught.value.problems[0].path == "augment.policy"


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(SpecError, match="a photo has 1, 3 or 4 channels"):
        Augmentation(spec_of(channels=2), Augment())
    with pytest.raises(
        SpecError, match=r"a margin of 16 pixels cannot reflect images of 16x20 \[E801\]\n.*`padding: 15` at most"
    ):
        Augmentation(spec_of(size=(16, 20)), augment(crop={"type": "padded", "padding": 16, "fill": "reflect"}))


@pytest.mark.parametrize("policy", POLICIES)
def test_it_goes_to_other_processes(policy: str | None) -> None:
    apply = Augmentation(spec_of(), augment(policy=policy, color_jitter=0.1, erase=0.5))
    seed_all(3)
    wanted = apply(photo())
    again = pickle.loads(pickle.dumps(apply))
    seed_all(3)
    assert torch.equal(again(photo()).image, wanted.image)
