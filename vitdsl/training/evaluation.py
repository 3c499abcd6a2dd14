"""How good a model is on the images of a data set that are for evaluation."""

from __future__ import annotations

import torch

from vitdsl.compiler.model import VisionModel
from vitdsl.errors import InputError, Problem, first_line
from vitdsl.training.data import VALIDATION, photos_for
from vitdsl.training.loading import Corrupt, evaluation_loader
from vitdsl.training.measures import count_right, measures_of


def evaluate(
    model: VisionModel,
    data: str,
    *,
    batch: int = 64,
    device: str = "auto",
    workers: int = 0,
    validation: float = VALIDATION,
    corrupt: Corrupt = "error",
) -> dict[str, float]:
    """Measures a model.

    Args:
        model: with the weights that are evaluated.
        data: a data set, as `vitdsl train --data` takes it.
        batch: images at once.
        device: `auto`, `cpu`, `gpu`, or one of torch's.
        workers: processes that load images.
        validation: the share of each class that evaluates, where the data set does not say it.
        corrupt: what happens where a photo cannot be read: `error`, or `skip`: it does not count.

    Returns:
        `accuracy` and `accuracy_5`, from 0 to 1, `evaluation_loss`, in nats, the number of `images`, and of those that
        were `skipped`, if any.

    Raises:
        SpecError: the data set is not there, or does not fit the model.
        InputError: a photo cannot be read, or there is no such device.
    """
    spec = model.spec
    photos = photos_for(spec, data, validation).validation
    place = device_named(device)
    counts = torch.zeros(4, dtype=torch.float64, device=place)
    model = model.to(place).eval()
    loader = evaluation_loader(photos, spec, batch, workers=workers, corrupt=corrupt)
    with torch.inference_mode():
        for each in loader:
            counts += count_right(model, each.to(place))
    skipped = {"skipped": float(len(loader.unreadable))} if loader.unreadable else {}
    return {**measures_of(counts), "images": counts[0].item(), **skipped}


def device_named(name: str) -> torch.device:
    """The device that a command names: `auto`, `cpu`, `gpu`, or one of torch's.

    Raises:
        InputError: this machine has no such device.
    """
    place = name if name not in ("auto", "gpu") else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=place).device
    except (RuntimeError, AssertionError) as error:  # of a device that is unknown, or not there
        message = f"this machine has no device `{name}`: {first_line(error)}"
        raise InputError(Problem(message, hint="`auto`, `cpu` or `gpu`", code="E815")) from error
