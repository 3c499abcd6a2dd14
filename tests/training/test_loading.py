"""Batches follow from the seed and the epoch, whoever makes them; what cannot be read stops all, or is counted."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.pictures import folder_of_photos, photo, spec_of
from tests.training.states import random_states, seed_all
from vitdsl.errors import InputError
from vitdsl.preprocess import transform
from vitdsl.training.augmentation import Augmentation
from vitdsl.training.data import load_photos
from vitdsl.training.draws import Purpose, seeded
from vitdsl.training.loading import Batch, Loader, collate, evaluation_loader, training_loader
from vitdsl.training.photos import Photos, open_file
from vitdsl.training.recipe import RecipeFile, load_recipe
from vitdsl.training.sources import read_source

AUGMENT = {"policy": "rand-m9-mstd0.5-inc1", "color_jitter": 0.2, "erase": 0.5}


def recipe(batch: int = 4, **given: Any) -> RecipeFile:
    augment = {**AUGMENT, **given.pop("augment", {})}
    text = "{epochs: 2, batch: 4, optimizer: {learning_rate: 1}}"
    return load_recipe(text, set={"batch": batch, "augment": augment, **given}).file


def photos_of(folder: Path, counts: dict[str, int], broken: tuple[str, ...] = ()) -> Photos:
    folder_of_photos(folder, counts)
    for name in broken:
        (folder / name).write_bytes(b"no image")
    return read_source(str(folder)).train


def equal(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(*pair) for one, two in zip(first, second, strict=True) for pair in zip(one, two, strict=True)
    )


def epochs(loader: Loader, *numbers: int) -> list[Batch]:
    made = []
    for number in numbers:
        loader.set_epoch(number)
        made += list(loader)
    return made


# ---------------------------------------------------------------- the same, whoever makes them


def test_batches_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    photos, spec = photos_of(tmp_path, {"a": 9, "b": 10}, ("a/002.png",)), spec_of(classes=2)
    file = recipe(augment={"repeats": 2})
    one = training_loader(photos, spec, file, corrupt="skip")
    alone = epochs(one, 0, 1, 2)
    assert one.unreadable == {2}
    for workers in (1, 2):
        others = training_loader(photos, spec, file, workers=workers, corrupt="skip")
        assert equal(epochs(others, 0, 1, 2), alone)
        assert others.unreadable == {2}
        evaluated = evaluation_loader(photos, spec, 5, workers=workers, corrupt="skip")
        assert equal(list(evaluated), list(evaluation_loader(photos, spec, 5, corrupt="skip")))
        assert evaluated.unreadable == {2}


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_together_see_the_batches_of_one_process(tmp_path: Path, ranks: int, repeats: int) -> None:
    photos, spec = photos_of(tmp_path, {"a": 9, "b": 10}, ("b/003.png",)), spec_of(classes=2)
    file = recipe(batch=8, augment={"repeats": repeats})
    whole = epochs(training_loader(photos, spec, file, corrupt="skip"), 1)
    given = {"ranks": ranks, "corrupt": "skip"}
    parts = [epochs(training_loader(photos, spec, file, rank=rank, **given), 1) for rank in range(ranks)]
    for one, *rows in zip(whole, *parts, strict=True):
        assert all(len(row.labels) == 8 // ranks for row in rows)
        for name in ("images", "labels", "indices", "boxes", "flips"):
            together = torch.empty_like(getattr(one, name))
            for rank, row in enumerate(rows):
                together[rank::ranks] = getattr(row, name)
            assert torch.equal(together, getattr(one, name))
        assert sorted(torch.cat([row.skipped for row in rows]).tolist()) == sorted(one.skipped.tolist())


def test_a_sample_follows_from_seed_epoch_index_and_repeat_alone(tmp_path: Path) -> None:
    photos, spec = photos_of(tmp_path, {"a": 6, "b": 6}), spec_of(classes=2)
    file = recipe(augment={"repeats": 3}, seed=5)
    apply, seen = Augmentation(spec, file.augment), set()
    for batch, keys in zip(loader := training_loader(photos, spec, file), loader.batches, strict=True):
        for row, key in enumerate(keys):
            with seeded(Purpose.AUGMENT, 5, 0, key.index, key.repeat):
                made = apply(photos.open(key.index))
            assert torch.equal(batch.images[row], made.image)
            assert torch.equal(batch.boxes[row], torch.tensor(made.box))
            assert tuple(batch.flips[row].tolist()) == made.flips
            assert batch.indices[row] == key.index
            assert batch.labels[row] == photos.labels[key.index]
            seen.add(tuple(batch.images[row].flatten().tolist()))
    assert len(seen) == 12
    assert batch.valid.all()
    assert (batch.labels.dtype, batch.indices.dtype) == (torch.int64, torch.int64)
    first, other = (epochs(training_loader(photos, spec, file), epoch) for epoch in (0, 1))
    again = epochs(training_loader(photos, spec, recipe(augment={"repeats": 3}, seed=6)), 0)
    assert not equal(first, other)
    assert not equal(first, again)


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_is_left_of_the_draws(tmp_path: Path, workers: int) -> None:
    photos, spec = photos_of(tmp_path, {"a": 5, "b": 5}), spec_of(classes=2)
    seed_all(7)
    before = random_states()
    loader = training_loader(photos, spec, recipe(), workers=workers)
    for _ in loader:
        assert random_states() == before
    list(evaluation_loader(photos, spec, 3, workers=workers))
    assert random_states() == before
    seed_all(8)
    assert equal(list(loader), list(training_loader(photos, spec, recipe())))


def test_an_epoch_is_resumed_at_a_batch(tmp_path: Path) -> None:
    photos, spec = photos_of(tmp_path, {"a": 9, "b": 8}), spec_of(classes=2)
    loader = training_loader(photos, spec, recipe())
    whole = epochs(loader, 3)
    loader.set_epoch(3, first=2)
    assert len(loader) == 2
    assert equal(list(loader), whole[2:])
    assert loader.sampler.set_epoch == loader.batches.set_epoch


# ---------------------------------------------------------------- evaluation


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("batch", [4, 8, 32])
def test_evaluation_sees_every_photo_once(tmp_path: Path, ranks: int, batch: int) -> None:
    photos, spec = photos_of(tmp_path, {"a": 6, "b": 5}), spec_of(classes=2)
    apply, seen = transform(spec), []
    loaders = [evaluation_loader(photos, spec, batch, rank=rank, ranks=ranks) for rank in range(ranks)]
    assert len({len(loader) for loader in loaders}) == 1
    for loader in loaders:
        for made in loader:
            assert made.images.shape[0] == made.valid.shape[0]
            assert (made.images[~made.valid] == 0).all()
            assert (made.indices[~made.valid] == -1).all()
            for image, label, index in zip(*(each[made.valid] for each in made[:3]), strict=True):
                assert torch.equal(image, apply(photos.open(int(index))))
                assert label == photos.labels[index]
                seen.append(int(index))
    assert sorted(seen) == list(range(11))


# ---------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize("workers", [0, 2])
def test_a_photo_that_cannot_be_read_stops_a_training(tmp_path: Path, workers: int) -> None:
    photos, spec = photos_of(tmp_path, {"a": 4, "b": 4}, ("b/001.png",)), spec_of(classes=2)
    for loader in (
        training_loader(photos, spec, recipe(), workers=workers),
        evaluation_loader(photos, spec, 4, workers=workers),
    ):
        with pytest.raises(InputError) as caught:
            list(loader)
        assert str(caught.value).startswith(f"{tmp_path / 'b' / '001.png'} cannot be read: ")
        assert "hint: repair or remove it" in str(caught.value)


def test_photos_that_are_skipped_leave_batches_full_and_are_counted(tmp_path: Path) -> None:
    photos = photos_of(tmp_path, {"a": 6, "b": 6}, ("a/005.png", "b/000.png", "b/005.png"))
    spec, file = spec_of(classes=2), recipe()
    loader = training_loader(photos, spec, file, corrupt="skip")
    made = epochs(loader, 0)
    assert [len(batch.labels) for batch in made] == [4, 4, 4]
    assert all(batch.valid.all() for batch in made)
    used = [int(index) for batch in made for index in batch.indices]
    assert sorted(used) == sorted([*range(5), 7, 7, 7, 8, 9, 10, 0])
    assert all(
        photos.labels[index] == label
        for batch in made
        for index, label in zip(batch.indices, batch.labels, strict=True)
    )
    assert sorted(index for batch in made for index in batch.skipped.tolist()) == [5, 6, 6, 11]
    assert loader.unreadable == {5, 6, 11}
    whole = list(evaluation_loader(photos, spec, 4, corrupt="skip"))
    assert [int(batch.valid.sum()) for batch in whole] == [4, 2, 3]
    assert [batch.skipped.tolist() for batch in whole] == [[], [5, 6], [11]]


def test_a_folder_that_is_gone_stops_a_training_that_skips(tmp_path: Path) -> None:
    gone = Photos("gone", [str(tmp_path / f"{index}.png") for index in range(150)], open_file, [0] * 150, ["only"])
    with pytest.raises(InputError, match=r"100 photos in a row cannot be read, from .*\.png on \[E806\]\n"):
        next(iter(training_loader(gone, spec_of(classes=1), recipe(), corrupt="skip")))


# ---------------------------------------------------------------- batches


def test_a_batch_is_moved_and_pickled(tmp_path: Path) -> None:
    photos = photos_of(tmp_path, {"a": 3, "b": 3})
    batch = next(iter(training_loader(photos, spec_of(classes=2), recipe())))
    assert equal([pickle.loads(pickle.dumps(batch))], [batch])
    assert {each.device.type for each in batch.to("meta")} == {"meta"}
    assert batch.images.shape == (4, 3, 16, 16)


@pytest.mark.parametrize("augment", [{}, {"policy": "three"}, {"crop": "none"}, {"crop": "padded"}])
def test_samples_go_to_processes_that_are_not_forked(tmp_path: Path, augment: dict[str, Any]) -> None:
    photos, spec = photos_of(tmp_path, {"a": 3, "b": 3}), spec_of(classes=2)
    for loader in (
        training_loader(photos, spec, recipe(augment=augment)),
        evaluation_loader(photos, spec, 4),
    ):
        there = pickle.loads(pickle.dumps(loader._loader.dataset))
        for keys in loader.batches:
            assert equal([collate([there[key] for key in keys])], [collate([loader._loader.dataset[k] for k in keys])])


def test_boxes_of_flipped_photos_cut_the_same() -> None:
    picture = photo((64, 48))
    spec, seen = spec_of(size=(16, 16), interpolation="nearest"), set()
    apply = Augmentation(
        spec, recipe(augment={"vertical_flip": 0.5, "policy": None, "color_jitter": 0, "erase": 0}).augment
    )
    whole = torch.arange(48 * 64, dtype=torch.float32).reshape(48, 64)
    for seed in range(16):
        seed_all(seed)
        made = apply(picture)
        flips, box = torch.tensor([made.flips]), torch.tensor([made.box])
        nothing = torch.zeros(0)
        (moved,) = Batch(nothing, nothing, nothing, box, flips, nothing, nothing).boxes_of_flipped()

        def cut(photo: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
            top, left, height, width = (box * torch.tensor([48, 64, 48, 64])).round().int().tolist()
            return photo[top : top + height, left : left + width]

        axes = [axis for axis, flipped in ((1, made.flips[0]), (0, made.flips[1])) if flipped]
        assert torch.equal(cut(whole.flip(axes), moved), cut(whole, box[0]).flip(axes))
        seen.add(made.flips)
    assert len(seen) == 4


def test_the_digits_are_loaded() -> None:
    splits, spec = load_photos("digits"), spec_of(channels=1, size=(8, 8))
    digits = load_recipe("digits").file
    loader = training_loader(splits.train, spec, digits)
    batch = next(iter(loader))
    assert (len(loader), batch.images.shape) == (1347 // 64, (64, 1, 8, 8))
    assert sum(int(each.valid.sum()) for each in evaluation_loader(splits.validation, spec, 100)) == 450
