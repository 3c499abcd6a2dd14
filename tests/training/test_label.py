"""Labels are what the teacher says of the photos that train, in their order; a file is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

import vitdsl
from tests.training.pictures import folder_of_photos, spec_of
from vitdsl.errors import InputError
from vitdsl.training.data import load_photos
from vitdsl.training.dense import DenseTeacher
from vitdsl.training.label import Labeller, label, labeller_of, timm_labeller
from vitdsl.training.label_file import read_header
from vitdsl.training.token_labels import pack_scores


def teacher(classes=10, channels=1, seed=0, size=(16, 16)):
    torch.manual_seed(seed)
    return labeller_of(vitdsl.build(spec_of(classes, channels, size)).eval())


def test_labels_of_digits_are_the_teachers_in_the_order_of_the_photos(tmp_path):
    given, told = teacher(), []
    made = label(given, "digits", tmp_path / "a.safetensors", batch=100, told=lambda *each: told.append(each))
    photos = load_photos("digits").train
    found = load_file(tmp_path / "a.safetensors")["labels"]
    assert found.shape == (len(photos), 2, 5, 4, 4)
    assert found.dtype == torch.float16
    assert told[-1] == (len(photos), len(photos))
    rows = [0, 1, 99, 100, 101, 777, len(photos) - 1]
    pixels = [np.array(photos.open(row, 1).resize((16, 16), Image.Resampling.BICUBIC)) for row in rows]
    images = (torch.from_numpy(np.stack(pixels))[:, None].float() / 255 - 0.5) / 0.5
    features = given.model.forward_features(images)
    logits = given.model.get_classifier()(features)
    scores, numbers = logits.topk(5, 1)
    assert torch.equal(found[rows, 1].long(), numbers)
    assert (found[rows, 0] - scores).abs().max() <= 2**-11 * scores.abs().max() + 1e-7
    assert made.header == read_header(made.file)
    assert made.header[:7] == ("digits", len(photos), photos.digest(), 10, given.name, (16, 16), 5)


def test_agreement_is_the_share_of_photos_that_the_teacher_knows(tmp_path):
    given = teacher()
    made = label(given, "digits", tmp_path / "a.safetensors", batch=500)
    photos = load_photos("digits").train
    packed = load_file(made.file)["labels"]
    assert 0 < made.agreement < 0.5
    assert len(packed) == len(photos)


@pytest.mark.parametrize(("batch", "workers"), [(3, 0), (2, 2)])
def test_photos_of_a_folder_whatever_the_batch(batch, workers, tmp_path):
    folder = folder_of_photos(tmp_path / "photos", {"a": 6, "b": 5, "c": 7}, (30, 20))
    given = teacher(3, 3)
    made = label(given, str(folder), tmp_path / "l.safetensors", batch=batch, workers=workers, validation=0.3)
    whole = label(given, str(folder), tmp_path / "w.safetensors", batch=100, validation=0.3)
    photos = load_photos(str(folder), 0.3).train
    first, second = load_file(made.file)["labels"], load_file(whole.file)["labels"]
    assert first.shape == (len(photos), 2, 3, 4, 4)
    assert torch.equal(first[:, 1], second[:, 1])
    assert (first[:, 0] - second[:, 0]).abs().max() < 2e-3
    assert made.header == whole.header


def test_a_size_of_its_own(tmp_path):
    given = teacher(size=(24, 16))
    made = label(given, "digits", tmp_path / "a.safetensors", count=2, batch=500)
    assert (made.header.size, made.header.grid, made.header.count) == ((24, 16), (6, 4), 2)
    assert made.file.stat().st_size == pytest.approx(made.header.size_of_file, abs=1000)


class Broken(RuntimeError):
    pass


def test_a_labelling_that_stops_leaves_nothing_and_begins_again(tmp_path):
    file = tmp_path / "a.safetensors"

    def stop(done, photos):
        if done > 300:
            raise Broken

    with pytest.raises(Broken):
        label(teacher(), "digits", file, batch=200, told=stop)
    assert [*tmp_path.iterdir()] == []
    first = label(teacher(), "digits", file, batch=200)
    before = file.read_bytes()
    with pytest.raises(Broken):
        label(teacher(seed=1), "digits", file, batch=200, told=stop)
    assert file.read_bytes() == before
    assert [*tmp_path.iterdir()] == [first.file]


def test_a_model_of_timm(tmp_path):
    options = {"img_size": (16, 16), "patch_size": 4, "embed_dim": 24, "depth": 1, "num_heads": 2, "num_classes": 10}
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", in_chans=1, **options)
    given = Labeller("timm:a", model, (16, 16), 1, [0.5], [0.5])
    made = label(given, "digits", tmp_path / "a.safetensors", batch=200)
    photos = load_photos("digits").train
    pixels = np.array(photos.open(7, 1).resize((16, 16), Image.Resampling.BICUBIC))
    image = (torch.from_numpy(pixels)[None, None].float() / 255 - 0.5) / 0.5
    expected = pack_scores(DenseTeacher(model, image, "a")(image))[0]
    found = load_file(made.file)["labels"][7]
    assert torch.equal(found[1], expected[1])
    assert (found[0] - expected[0]).abs().max() < 2e-3


def test_models_of_timm_are_opened_with_weights_of_a_file(tmp_path):
    model = timm.create_model("vit_tiny_patch16_224", num_classes=7)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    found = timm_labeller("vit_tiny_patch16_224", str(tmp_path / "w.pth"), (96, 64), 7)
    assert (found.name, found.size, found.channels) == ("timm:vit_tiny_patch16_224", (96, 64), 3)
    assert torch.equal(found.model.state_dict()["blocks.0.attn.qkv.weight"], model.blocks[0].attn.qkv.weight)
    dense = DenseTeacher(found.model, torch.zeros(1, 3, 96, 64), "a")
    assert (dense.grid, dense.classes) == ((6, 4), 7)
    with pytest.raises(InputError, match=r"the teacher `a` cannot take images of \(3, 50, 50\)"):
        DenseTeacher(found.model, torch.zeros(1, 3, 50, 50), "a")


@pytest.mark.parametrize(("call", "said"), [
    (lambda file: label(teacher(7), "digits", file),
     r"the teacher `\w+` has 7 classes, but `digits` has 10 \[E812\]\n  hint: a teacher of the same classes, in the"),
    (lambda file: label(teacher(), "digits", file, count=11), "11 classes of each position cannot be kept: there"),
    (lambda file: label(teacher(), "digitz", file), "there is no data set `digitz`"),
    (lambda file: timm_labeller("resnet10_q"), r"timm has no model `resnet10_q` \[E811\]\n  hint: timm has resnet10t"),
    (lambda file: timm_labeller("resnet10t", "none.pth"), "there is no file `none.pth`"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(call, said, tmp_path):
    with pytest.raises(InputError, match=said):
        call(tmp_path / "a.safetensors")
    assert [*tmp_path.iterdir()] == []


def test_scores_that_are_not_finite_are_refused(tmp_path):
    given = teacher()
    with torch.no_grad():
        given.model.get_classifier().weight.mul_(1e9)
    with pytest.raises(
        InputError, match=r"are not finite, or too large for float16 \[E604\]\n  hint: whether these are "
    ):
        label(given, "digits", tmp_path / "a.safetensors")
    assert [*tmp_path.iterdir()] == []


def test_a_photo_that_cannot_be_read_is_named(tmp_path):
    folder = folder_of_photos(tmp_path / "photos", {"a": 4, "b": 4})
    for path in (folder / "a").iterdir():
        path.write_bytes(b"no photo")
    with pytest.raises(InputError, match=r"photos.a.\d+\.png cannot be read"):
        label(teacher(2, 3), str(folder), tmp_path / "a.safetensors")


def test_photos_that_cannot_be_read_are_skipped_and_counted(tmp_path):
    folder = folder_of_photos(tmp_path / "photos", {"a": 6, "b": 6})
    given = teacher(2, 3)
    whole = label(given, str(folder), tmp_path / "whole.safetensors")
    photos = load_photos(str(folder)).train
    Path(photos.called(3)).write_bytes(b"no photo")
    made = label(given, str(folder), tmp_path / "a.safetensors", corrupt="skip")
    wanted, found = (load_file(each.file)["labels"] for each in (whole, made))
    assert (whole.skipped, made.skipped) == (0, 1)
    assert (found[3] == 0).all()
    kept = [row for row in range(len(photos)) if row != 3]
    assert torch.equal(found[kept], wanted[kept])
    assert round(made.agreement * len(kept), 6) == round(made.agreement * len(kept))
