"""Labels of tokens are those of the part of the photo that each token shows; files of other photos are refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.training.pictures import folder_of_photos, spec_of
from vitdsl.errors import InputError, SpecError
from vitdsl.spec import load
from vitdsl.training.data import load_photos
from vitdsl.training.label_file import LabelHeader, TokenLabelFile, read_header, token_labels_of, writing_labels
from vitdsl.training.loading import training_loader
from vitdsl.training.photos import Photos, open_pixels
from vitdsl.training.recipe import load_recipe
from vitdsl.training.token_labels import make_token_labels, pack_scores

COLOURS = np.array([[250, 20, 20], [20, 250, 20], [20, 20, 250], [240, 240, 20]], dtype=np.uint8)
"""Of the classes of four quadrants, far apart, so that an image says which class stands where."""


def quadrants(count=6, side=32):
    """Photos whose quadrants are of the four classes, in another order in each; (N, side, side, 3), and (N, 2, 2)."""
    source = np.random.default_rng(0)
    classes = np.stack([source.permutation(4).reshape(2, 2) for _ in range(count)])
    pixels = COLOURS[classes].repeat(side // 2, 1).repeat(side // 2, 2)
    return Photos("quadrants", pixels, open_pixels, classes[:, 0, 0], list("abcd")), torch.from_numpy(classes)


def written(path, photos, logits_bkhw, count=4):
    """A file with these scores."""
    packed = pack_scores(logits_bkhw, count)
    grid = (packed.shape[3], packed.shape[4])
    header = LabelHeader(
        photos.name, len(photos), photos.digest(), len(photos.classes), "t", (32, 32), count, grid, "0"
    )
    with writing_labels(path, header) as write:
        write(packed[:2])
        write(packed[2:])
    return path


def of_quadrants(tmp_path):
    """The photos with labels that are sure of each quadrant's class, at 8 × 8 positions."""
    photos, classes = quadrants()
    sure = torch.nn.functional.one_hot(classes, 4).permute(0, 3, 1, 2).float() * 40
    return photos, written(tmp_path / "a.safetensors", photos, sure.repeat_interleave(4, 2).repeat_interleave(4, 3))


def recipe_of(**given):
    return load_recipe({"epochs": 3, "batch": 6, "optimizer": {"learning_rate": 1e-3}, **given})


def shown(images_bchw, grid):
    """The class that each token shows, by the colour at its middle, and whether it shows that one alone."""
    mean, std = (torch.tensor(each)[:, None, None] for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pixels = (images_bchw * std + mean) * 255
    tokens = pixels.unflatten(2, (grid[0], -1)).unflatten(4, (grid[1], -1)).permute(0, 2, 4, 3, 5, 1).flatten(3, 4)
    distances = (tokens[..., None, :] - torch.from_numpy(COLOURS).float()).norm(dim=-1)
    nearest = distances.argmin(-1)
    return nearest[..., 0], (nearest == nearest[..., :1]).all(-1) & (distances.min(-1).values < 60).all(-1)


@pytest.mark.parametrize("crop", [
    {"type": "random_resized", "scale": [0.2, 0.9]}, {"type": "padded", "padding": 6}, {"type": "none"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize(("flip", "vertical_flip"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)])
def test_every_token_has_the_label_of_what_it_shows(crop, flip, vertical_flip, tmp_path):
    """Crops and flips of the real augmentation, of photos whose quadrants have classes."""
    photos, path = of_quadrants(tmp_path)
    file, grid, seen = TokenLabelFile(path, photos), (8, 8), 0
    recipe = recipe_of(augment={"crop": crop, "flip": flip, "vertical_flip": vertical_flip})
    loader = training_loader(photos, spec_of(4, 3, (32, 32)), recipe.file)
    for epoch in range(6):
        loader.set_epoch(epoch)
        for batch in loader:
            labels = file.labels(batch, grid, 0.0)
            assert labels.shape == (6, 4, 2 + 64)
            assert torch.equal(labels[:, :, 0].argmax(1), batch.labels)
            tokens = labels[:, :, 2:].unflatten(2, grid).permute(0, 2, 3, 1)
            classes, pure = shown(batch.images, grid)
            inner = pure & (tokens.max(-1).values > 0.99)
            assert torch.equal(tokens.argmax(-1)[inner], classes[inner])
            assert (tokens.max(-1).values > 0.9)[pure].float().mean() > 0.6
            seen += int(inner.sum())
    assert seen > 600


def test_rows_are_those_of_the_indices(tmp_path):
    photos, _ = quadrants()
    scores = torch.randn(6, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    file = TokenLabelFile(written(tmp_path / "a.safetensors", photos, scores), photos)
    indices = torch.tensor([5, 0, 3, 3])
    assert torch.equal(file.packed(indices), pack_scores(scores, 4)[indices])


def test_labels_are_make_token_labels_of_flipped_maps(tmp_path):
    photos, path = of_quadrants(tmp_path)
    recipe = recipe_of(augment={"flip": 0.5, "vertical_flip": 0.5})
    (batch,) = training_loader(photos, spec_of(4, 3, (32, 32)), recipe.file)
    file = TokenLabelFile(path, photos)
    found = file.labels(batch, (2, 4), 0.2)
    for row in range(6):
        packed = file.packed(batch.indices[row : row + 1])
        turned = packed.flip([axis for axis, flipped in zip((4, 3), batch.flips[row], strict=True) if flipped])
        crop = batch.boxes_of_flipped()[row : row + 1]
        expected = make_token_labels(turned, crop, batch.labels[row : row + 1], 4, (2, 4), smoothing=0.2)
        assert torch.equal(found[row : row + 1], expected)


# ---------------------------------------------------------------- files


def test_a_file_is_ordinary_safetensors(tmp_path):
    from safetensors.torch import load_file

    photos, _ = quadrants()
    scores = torch.randn(6, 4, 3, 5)
    path = written(tmp_path / "a.safetensors", photos, scores, 3)
    assert torch.equal(load_file(path)["labels"], pack_scores(scores, 3))
    header = read_header(path)
    assert header == LabelHeader("quadrants", 6, photos.digest(), 4, "t", (32, 32), 3, (3, 5), "0")
    assert path.stat().st_size - header.size_of_file < 600


@pytest.mark.parametrize(("rows", "said"), [
    (torch.zeros(5, 2, 4, 3, 5).half(), "there must be 6 rows, but 5 were written"),
    (torch.zeros(6, 2, 3, 3, 5).half(), r"rows must be \(2, 4, 3, 5\) in float16, but are"),
    (torch.zeros(6, 2, 4, 3, 5), r"rows must be .* in float16"),
])  # fmt: skip
def test_other_rows_are_not_written(rows, said, tmp_path):
    header = LabelHeader("a", 6, "", 4, "t", (8, 8), 4, (3, 5), "0")
    with pytest.raises(ValueError, match=said), writing_labels(tmp_path / "a.safetensors", header) as write:
        write(rows)
    assert [*tmp_path.iterdir()] == []


# ---------------------------------------------------------------- refusals


def test_photos_of_another_place_are_the_same(tmp_path):
    first = folder_of_photos(tmp_path / "here", {"a": 3, "b": 4})
    (tmp_path / "there").mkdir()
    second = first.rename(tmp_path / "there" / "moved")
    again = folder_of_photos(tmp_path / "here", {"a": 3, "b": 4})
    assert load_photos(str(again)).train.digest() == load_photos(str(second)).train.digest()


def test_other_photos_have_another_digest(tmp_path):
    photos, _ = quadrants()
    pixels = photos._items
    others = [
        photos.take(range(5)), photos.take([1, 0, 2, 3, 4, 5]),
        Photos("quadrants", pixels, open_pixels, (photos.labels + 1) % 4, photos.classes),
        Photos("quadrants", pixels, open_pixels, photos.labels, list("abdc")),
    ]  # fmt: skip
    folders = [folder_of_photos(tmp_path / name, counts) for name, counts in
               (("x", {"a": 3, "b": 4}), ("y", {"a": 4, "b": 3}), ("z", {"a": 3, "c": 4}))]  # fmt: skip
    digests = [each.digest() for each in [photos, *others, *(load_photos(str(path)).train for path in folders)]]
    assert len({*digests}) == len(digests)
    renamed = Photos("other", pixels, open_pixels, photos.labels, photos.classes)
    assert renamed.digest() == photos.digest()


def with_file(tmp_path, **loss):
    text = (
        "epochs: 3\nbatch: 6\noptimizer: {learning_rate: 1e-3}\n"
        "losses:\n  tokens: {type: token_labels, file: a.safetensors}\n"
    )
    (tmp_path / "r.yaml").write_text(text)
    return load_recipe(tmp_path / "r.yaml", loss)


SPEC = load({
    "input": {"size": 32}, "classes": 4,
    "stages": [{"tokenizer": {"type": "patch", "size": 8, "dim": 8}, "tokens": ["cls"], "body": ["norm"]}],
    "head": {"outputs": {"cls": [{"pool": "cls"}, "classifier"],
                         "aux": [{"from": "grid"}, "classifier", {"write": "token_logits"}, {"pool": "max"}]},
             "merge": {"cls": 1, "aux": 0.5}, "training": ["cls", "token_logits"]},
})  # fmt: skip


def test_a_file_is_found_beside_the_recipe_or_from_here(tmp_path, monkeypatch):
    photos, path = of_quadrants(tmp_path)
    recipe = with_file(tmp_path)
    (labels_of,) = token_labels_of(recipe, SPEC, photos).values()
    (batch,) = training_loader(photos, SPEC, recipe.file)
    assert labels_of(batch).shape == (6, 4, 2 + 16)
    assert torch.equal(labels_of(batch), TokenLabelFile(path, photos).labels(batch, (4, 4), 0.1))
    (tmp_path / "b").mkdir()
    path.rename(tmp_path / "b" / "other.safetensors")
    monkeypatch.chdir(tmp_path / "b")
    given = with_file(tmp_path, **{"losses.tokens.file": "other.safetensors", "losses.tokens.smoothing": 0.3})
    found = token_labels_of(given, SPEC, photos)
    assert [*found] == ["tokens"]
    expected = TokenLabelFile(tmp_path / "b" / "other.safetensors", photos).labels(batch, (4, 4), 0.3)
    assert torch.equal(found["tokens"](batch), expected)


def test_losses_without_a_file_have_no_labels(tmp_path):
    photos, _ = quadrants()
    assert token_labels_of(recipe_of(losses={"tokens": "token_labels", "a": "cross_entropy"}), SPEC, photos) == {}


PLACE = r"r\.yaml:5:\d+: losses.tokens.file\n  "
MAKE = r"(?s:.*)hint: `vitdsl label DATA --teacher SPEC --weights FILE -o FILE` makes labels"


def other_photos(path, photos):
    return photos.take(range(5))


def other_order(path, photos):
    return photos.take([1, 0, 2, 3, 4, 5])


def other_classes(path, photos):
    return Photos("q", photos._items, open_pixels, photos.labels, list("abcde"))


def no_file(path, photos):
    path.unlink()


def damaged(path, photos):
    path.write_bytes(path.read_bytes()[:200])


def of_weights(path, photos):
    save_file({"a": torch.zeros(2)}, path)


def spoiled(path, photos):
    save_file({"labels": torch.zeros(2)}, path, {"vitdsl.labels": '{"size": 3}'})


@pytest.mark.parametrize(("change", "said"), [
    (no_file, "there is no file `a.safetensors`"),
    (damaged, ".*a.safetensors: this safetensors file is damaged, or not whole"),
    (of_weights, ".*a.safetensors holds no labels of tokens"),
    (spoiled, ".*a.safetensors holds no labels of tokens"),
    (other_photos, r".* has labels of 6 photos of `quadrants`, of 4 classes, but 5 photos of `quadrants` train"),
    (other_order, r".*, but photos or classes of `quadrants` have other names, or another order"),
    (other_classes, r".*, but `q` has 5 classes"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_at_its_line(change, said, tmp_path):
    photos, path = of_quadrants(tmp_path)
    photos = change(path, photos) or photos
    with pytest.raises(SpecError, match=PLACE + said + MAKE):
        token_labels_of(with_file(tmp_path), SPEC, photos)


def test_a_file_by_itself_is_refused_alike(tmp_path):
    photos, _ = quadrants()
    with pytest.raises(InputError, match=re.escape(f"there is no file `{tmp_path / 'no'}`")):
        TokenLabelFile(tmp_path / "no", photos)


def test_a_picture_says_what_the_test_reads():
    """The colours of quadrants are told apart, so that a wrong label would be seen."""
    photos, classes = quadrants()
    image = np.asarray(Image.fromarray(photos._items[0]))
    assert image.shape == (32, 32, 3)
    assert (image[0, 0] == COLOURS[classes[0, 0, 0]]).all()
