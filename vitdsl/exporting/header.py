"""What an exported file says of itself: the spec, versions, how a photo becomes an image, and which sizes it takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vitdsl.checkpoints.header import header_of
from vitdsl.preprocess import MODES, statistics

if TYPE_CHECKING:
    from vitdsl.compiler.model import BuiltModel

FOLDED, PREPROCESSING, IMAGES = "vitdsl.folded", "vitdsl.preprocessing", "vitdsl.images"


def texts_of(model: BuiltModel) -> dict[str, str]:
    """The texts of a file of a model."""
    texts = header_of(model.spec, model.image_size) | {FOLDED: json.dumps(model.folded)}
    found = preprocessing(model)
    return texts | ({PREPROCESSING: json.dumps(found)} if found else {})


def preprocessing(model: BuiltModel) -> dict[str, Any] | None:
    """How a photo becomes the model's image, as `vitdsl.preprocess.transform` does it; None: no photo becomes one.

    Returns:
        `mode`: of the photo, as Pillow calls it. `size`: height and width of the image. `crop`: the photo is resized
        so that it covers `size` / `crop`, and `size` is cut of its centre; with which `interpolation`. `mean` and `std`
        of each channel, of values from 0 to 1.
    """
    given = model.spec.model.input
    try:
        mean, std = statistics(given)
    except ValueError:  # not the channels of a photo
        return None
    return {
        "mode": MODES[given.channels], "size": [*model.image_size], "crop": given.crop,
        "interpolation": given.interpolation, "mean": mean, "std": std,
    }  # fmt: skip
