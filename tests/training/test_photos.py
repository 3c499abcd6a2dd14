"""Photos are opened when asked for, whatever their mode; what cannot be read is named."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.pictures import MODES, folder_of_photos, photo, spec_of
from vitdsl.errors import InputError
from vitdsl.preprocess import as_channels, transform
from vitdsl.training.photos import Photos, open_file, open_pixels


def files(folder: Path, **written: bytes) -> Photos:
    paths = []
    for name, data in written.items():
        paths.append(str(folder / f"{name}.png"))
        Path(paths[-1]).write_bytes(data)
    return Photos("few", paths, open_file, [0] * len(paths), ["only"])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("mode", MODES)
def test_a_photo_of_any_mode_becomes_an_image(mode: str, channels: int) -> None:
    given = photo(mode=mode)
    assert given.mode == mode
    x_chw = transform(spec_of(channels=channels, size=(12, 16)))(given)
    assert x_chw.shape == (channels, 12, 16)
    assert x_chw.isfinite().all()
    assert x_chw.std() > 0.05
    grey = np.asarray(as_channels(given, 1)).astype(int)
    if mode in ("L", "LA", "RGB", "RGBA", "CMYK", "I;16"):
        assert np.abs(grey - np.asarray(photo(mode="L"))).max() <= 1


def test_transparency_is_kept_with_four_channels_alone() -> None:
    clear = Image.new("RGBA", (8, 8), (200, 100, 50, 0))
    assert as_channels(clear, 4).getpixel((0, 0)) == (200, 100, 50, 0)
    assert as_channels(clear, 3).getpixel((0, 0)) == (200, 100, 50)
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 9, 8, 7])
    palette.info["transparency"] = bytes([255, 0])
    assert as_channels(palette, 4).getpixel((0, 0)) == (9, 8, 7, 0)
    assert as_channels(palette, 3).getpixel((0, 0)) == (9, 8, 7)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "noise", "missing"])
def test_what_cannot_be_read_is_named(tmp_path: Path, damage: str) -> None:
    photo().save(tmp_path / "right.png")
    right = (tmp_path / "right.png").read_bytes()
    data = {"empty": b"", "text": b"no image", "cut": right[:300], "noise": right[:60] + b"\0" * 400, "missing": b""}
    photos = files(tmp_path, right=right, wrong=data[damage])
    if damage == "missing":
        (tmp_path / "wrong.png").unlink()
    assert photos.open(0).size == (40, 30)
    with pytest.raises(InputError, match=r"wrong\.png cannot be read: .*\n  hint: repair or remove it"):
        photos.open(1)


def test_photos_taken_keep_label_and_name(tmp_path: Path) -> None:
    folder_of_photos(tmp_path, {"a": 3, "b": 2})
    paths = [str(path) for path in sorted(tmp_path.rglob("*.png"))]
    photos = Photos("five", paths, open_file, [0, 0, 0, 1, 1], ["a", "b"])
    some = photos.take([4, 1]).take([1, 0])
    assert (some.labels.tolist(), [some.called(0), some.called(1)]) == ([0, 1], [paths[1], paths[4]])
    assert some.open(1).tobytes() == photos.open(4).tobytes()
    again = pickle.loads(pickle.dumps(some))
    assert torch.equal(torch.from_numpy(again.labels), torch.tensor([0, 1]))
    pixels = Photos("grey", np.zeros((3, 4, 5), np.uint8), open_pixels, [0, 1, 0], ["a", "b"])
    assert pixels.take([2]).called(0) == "photo 2 of `grey`"
    assert pixels.open(1, 4).mode == "RGBA"
