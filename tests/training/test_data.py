"""Data sets are divided by class and by a fixed seed, and fit a spec or are refused."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from tests.training.pictures import folder_of_photos, spec_of
from vitdsl.errors import SpecError
from vitdsl.training.data import check_fit, load_photos, photos_for, unsuited


def test_every_photo_is_in_one_split_with_its_own_label(tmp_path: Path) -> None:
    folder_of_photos(tmp_path, {"a": 8, "b": 12, "c": 20})
    splits = load_photos(str(tmp_path), 0.25)
    called = [photos.called(index) for photos in splits for index in range(len(photos))]
    assert sorted(called) == [str(path) for path in sorted(tmp_path.rglob("*.png"))]
    for photos in splits:
        assert [Path(photos.called(index)).parent.name for index in range(len(photos))] == [
            photos.classes[label] for label in photos.labels
        ]
    assert [np.bincount(photos.labels).tolist() for photos in splits] == [[6, 9, 15], [2, 3, 5]]


def test_the_division_is_always_the_same() -> None:
    first, again, other = load_photos("digits"), load_photos("digits"), load_photos("digits", 0.1)
    assert first.train.labels.tolist() == again.train.labels.tolist()
    assert [len(photos) for photos in (*first, *other)] == [1347, 450, 1617, 180]
    labels = np.zeros(1797)
    labels[:] = np.concatenate([first.train.labels, first.validation.labels])
    rows = [int(first.validation.called(index).split()[1]) for index in range(450)]
    whole = np.concatenate([photos._rows for photos in first])
    labels[whole] = np.concatenate([photos.labels for photos in first])
    assert rows == train_test_split(np.arange(1797), test_size=0.25, stratify=labels, random_state=0)[1].tolist()


def test_photos_that_evaluate_are_those_that_the_data_set_names(tmp_path: Path) -> None:
    folder_of_photos(tmp_path / "train", {"a": 4, "b": 3})
    folder_of_photos(tmp_path / "val", {"a": 1, "b": 2})
    splits = photos_for(spec_of(classes=2), str(tmp_path))
    assert [len(photos) for photos in splits] == [7, 3]
    assert splits.validation.labels.tolist() == [0, 1, 1]


def test_a_class_of_one_photo_cannot_be_divided(tmp_path: Path) -> None:
    folder_of_photos(tmp_path, {"a": 1, "b": 5})
    with pytest.raises(SpecError, match=r"cannot be split: .*\n  hint: more images of each class"):
        load_photos(str(tmp_path))


def test_what_does_not_fit_a_spec_is_said_at_its_place(tmp_path: Path) -> None:
    folder_of_photos(tmp_path, {"a": 4, "b": 4})
    with pytest.raises(SpecError) as caught:
        photos_for(spec_of(classes=5, channels=2), str(tmp_path))
    said = {problem.path: problem.message for problem in caught.value.problems}
    assert "a photo has 1, 3 or 4 channels" in said["input.channels"]
    assert said["classes"] == f"`{tmp_path}` has 2 classes, but the spec has 5: write `classes: 2`"
    check_fit(spec_of(classes=2, channels=4), load_photos(str(tmp_path)).train)


@pytest.mark.parametrize(("name", "given", "message"), [
    ("digits", {}, None), ("digits", {"classes": 3}, "has 10 classes, but the spec has 3"),
    ("digits", {"channels": 5}, "a photo has 1, 3 or 4 channels"), ("digts", {}, "there is no data set `digts`"),
])  # fmt: skip
def test_why_a_spec_is_unsuited(name: str, given: dict[str, int], message: str | None) -> None:
    found = unsuited(name, spec_of(**given))
    assert found is None if message is None else message in str(found)
