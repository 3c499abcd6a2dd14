"""Data sets: split by class, shaped as the spec says, or refused."""

import pytest
import torch
from PIL import Image

from tests.search.trainings import SPEC, trained
from vitdsl.errors import SpecError
from vitdsl.search.candidate import Candidate
from vitdsl.search.data import load_data
from vitdsl.spec import load

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_digits_are_split_by_class_and_shaped_as_the_spec_says():
    data = load_data("digits", load(SPEC))
    assert data.train.images.shape == (1347, 1, 8, 8)
    assert data.validation.images.shape == (450, 1, 8, 8)
    counts = torch.bincount(torch.cat([data.train.labels, data.validation.labels]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    shares = torch.bincount(data.validation.labels) / counts
    assert (shares - 0.25).abs().max() < 0.005
    assert data.train.images.min() == -1
    assert data.train.images.max() == 1
    colour = load(SPEC, set={"input.size": 12, "input.channels": 3, "input.mean": "half", "input.std": "half"})
    images = load_data("digits", colour).train.images
    assert images.shape == (1347, 3, 12, 12)
    assert torch.equal(images[:, 0], images[:, 2])


def test_a_folder_of_classes_is_a_data_set(tmp_path):
    for name, grey in (("dark", 20), ("light", 230)):
        (tmp_path / name).mkdir()
        for index in range(16):
            Image.new("RGB", (10, 9), (grey + index, grey, grey)).save(tmp_path / name / f"{index}.png")
    spec = load(SPEC, set={"classes": 2})
    assert trained(Candidate(spec), data=str(tmp_path), epochs=12, batch=6)["accuracy"] == 1.0
    assert load_data(str(tmp_path), spec).validation.labels.bincount().tolist() == [4, 4]
    with pytest.raises(SpecError, match="has 2 classes, but the spec has 10"):
        trained(Candidate(load(SPEC)), data=str(tmp_path), epochs=1)
    for part in ("train", "val"):
        (tmp_path / "parted" / part).mkdir(parents=True)
        for name in ("dark", "light"):
            (tmp_path / name).rename(tmp_path / "parted" / part / name) if part == "train" else None
    for name in ("dark", "light"):
        (tmp_path / "parted" / "val" / name).mkdir()
        (tmp_path / "parted" / "train" / name / "0.png").rename(tmp_path / "parted" / "val" / name / "0.png")
    given = load_data(str(tmp_path / "parted"), spec)
    assert (len(given.train.labels), given.validation.labels.tolist()) == (30, [0, 1])


def test_a_data_set_too_large_for_memory_is_refused():
    with pytest.raises(SpecError, match=r"takes 6\.7 GiB at 1000x1000"):
        load_data("digits", load(SPEC, set={"input.size": 1000}))
