"""A real photo, from the file's pixels to the logits, against timm."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from timm.data import create_transform, resolve_data_config

import vitdsl
from tests.parity import fingerprint
from tests.parity.live import found as pair
from tests.parity.packages import filled_model
from vitdsl.preprocess import transform


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """A temple in a landscape, 640 by 427."""
    return Image.fromarray(load_sample_image("china.jpg"))


@pytest.mark.parametrize("crop", [0.875, 0.9], ids=["the authors' crop", "timm's crop"])
def test_the_photo_gives_timms_logits(photo: Image.Image, crop: float) -> None:
    spec = vitdsl.load("deit_tiny_distilled", {"input.crop": crop})
    theirs, state = filled_model(pair("deit_tiny_distilled", "timm"))
    model = vitdsl.build(spec, device="meta").double().eval()
    vitdsl.load_weights(model, state, "timm")
    config = resolve_data_config({"crop_pct": crop} if crop != 0.9 else {}, model=theirs)
    assert config["crop_pct"] == crop
    expected, found = create_transform(**config)(photo), transform(spec)(photo)
    assert torch.equal(found, expected)
    with torch.no_grad():
        logits, wanted = model(found.double()[None]), theirs(expected.double()[None])
    largest = (logits - wanted).abs().max().item()
    print(f"china.jpg: largest difference {largest:.1e}")
    assert largest <= fingerprint.LIMIT * max(1.0, wanted.abs().max().item())
    assert wanted.std() > 0.1


def test_the_spec_says_the_authors_crop() -> None:
    """They resize by 256 / 224."""
    assert vitdsl.load("deit_tiny_distilled").model.input.crop == 224 / 256


@pytest.mark.parametrize("size", [224, 97, [64, 160], [160, 64], [500, 500]])
@pytest.mark.parametrize("crop", [0.875, 1.0])
@pytest.mark.parametrize("said", ["imagenet", "half"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("turned", [False, True])
def test_transforms_are_timms(
    photo: Image.Image, size: int | list[int], crop: float, said: str, interpolation: str, turned: bool
) -> None:
    settings = {
        "input": {"size": size, "crop": crop, "mean": said, "std": said, "interpolation": interpolation},
    }
    image = photo.transpose(Image.Transpose.ROTATE_90) if turned else photo
    mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if said == "imagenet" else ((0.5,) * 3, (0.5,) * 3)
    sides = (size, size) if isinstance(size, int) else tuple(size)
    config = {"input_size": (3, *sides), "crop_pct": crop, "interpolation": interpolation, "mean": mean, "std": std}
    expected = create_transform(**config)(image)
    assert torch.equal(transform(vitdsl.load("deit_tiny", settings))(image), expected)


def test_photos_of_other_modes(photo: Image.Image) -> None:
    apply = transform(vitdsl.load("deit_tiny"))
    grey = photo.convert("L")
    assert torch.equal(apply(grey), apply(grey.convert("RGB")))
    one = transform(vitdsl.load("deit_tiny", {"input.channels": 1, "input.mean": [0.4], "input.std": [0.2]}))
    assert torch.equal(one(photo), one(grey))
    assert one(grey).shape == (1, 224, 224)


def test_unfit_statistics_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`input.mean` has 3 numbers, but images have 1 channels"):
        transform(vitdsl.load("deit_tiny", {"input.channels": 1}))
    with pytest.raises(ValueError, match="1, 3 or 4 channels, but this spec's images have 2"):
        transform(vitdsl.load("deit_tiny", {"input.channels": 2}))
