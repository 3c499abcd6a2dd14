"""How good a model is on the images of a data set that are for evaluation."""

from __future__ import annotations

import torch

from vitdsl.compiler.model import VisionModel
from vitdsl.training.data import photos_for
from vitdsl.training.loading import evaluation_loader
from vitdsl.training.measures import count_right, measures_of


def evaluate(
    model: VisionModel, data: str, *, batch: int = 64, device: str = "auto", workers: int = 0, validation: float = 0.25
) -> dict[str, float]:
    """Measures a model.

    Args:
        model: with the weights that are evaluated.
        data: a data set, as `vitdsl train --data` takes it.
        batch: images at once.
        device: `auto`, `cpu`, `gpu`, or one of torch's.
        workers: processes that load images.
        validation: the share of each class that evaluates, where the data set does not say it.

    Returns:
        `accuracy` and `accuracy_5`, from 0 to 1, `evaluation_loss`, in nats, and the number of `images`.

    Raises:
        SpecError: the data set is not there, or does not fit the model.
    """
    spec = model.spec
    place = device if device not in ("auto", "gpu") else "cuda" if torch.cuda.is_available() else "cpu"
    photos = photos_for(spec, data, validation).validation
    model = model.to(place).eval()
    counts = torch.zeros(4, dtype=torch.float64, device=place)
    with torch.inference_mode():
        for each in evaluation_loader(photos, spec, batch, workers=workers):
            counts += count_right(model, each.to(place))
    return {**measures_of(counts), "images": counts[0].item()}
