"""Photos and specs that tests train on."""

from pathlib import Path

import numpy as np
from PIL import Image

from vitdsl.spec import Spec, load

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "PA", "YCbCr", "I", "F", "LAB", "HSV")


def photo(size: tuple[int, int] = (40, 30), seed: int = 0, mode: str = "RGB") -> Image.Image:
    """A photo of (width, height) with structure: noise of few pixels, made larger."""
    pixels = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "LAB":
        return Image.frombytes("LAB", size, image.tobytes())
    return image.convert("RGBA").convert(mode) if mode == "PA" else image.convert(mode)


def folder_of_photos(folder: Path, counts: dict[str, int], size: tuple[int, int] = (20, 16)) -> Path:
    """A folder with so many photos of each class."""
    seed = 0
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            photo(size, seed := seed + 1).save(folder / name / f"{index:03}.png")
    return folder


def spec_of(classes: int = 10, channels: int = 3, size: tuple[int, int] = (16, 16), **given: object) -> Spec:
    """A small spec; its images are as said."""
    statistics = {} if channels == 3 else {"mean": "half", "std": "half"}
    return load({
        "input": {"size": list(size), "channels": channels, "crop": 1.0, **statistics, **given}, "classes": classes,
        "stages": [{"tokenizer": {"type": "patch", "size": 4, "dim": 8}, "body": [{"mlp": {"ratio": 1}}]}],
        "head": {"pool": "mean"},
    })  # fmt: skip
