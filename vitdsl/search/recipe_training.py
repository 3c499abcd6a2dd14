"""Trains candidates by a recipe, as `vitdsl train` does, up to the epoch of a rung."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vitdsl.checkpoints.files import read_weights
from vitdsl.errors import CheckpointError
from vitdsl.resolve.files import write_whole
from vitdsl.search.candidate import Candidate
from vitdsl.training.errors import DivergedError
from vitdsl.training.folder import LAST
from vitdsl.training.recipe import load_recipe
from vitdsl.training.run import Hardware, Result, train

if TYPE_CHECKING:
    from vitdsl.compiler.model import VisionModel
    from vitdsl.search.evaluation.train import Train


def train_and_evaluate(candidate: Candidate, rule: Train) -> dict[str, float]:
    """Trains a candidate up to `rule.last`, from where an earlier rung left it; the model is in `candidate.model`.

    A loss that is not finite ends the training of this candidate: its accuracy is 0, and its loss infinite.

    Returns:
        `accuracy` and `loss` on the photos that evaluate, `seconds` of all training so far.
    """
    with _folder(candidate, rule) as folder:
        try:
            entry = _train(candidate, rule, folder).history[rule.last - 1]
        except DivergedError:
            return {"accuracy": 0.0, "loss": math.inf, "seconds": math.nan}
        candidate.model = _model(candidate, folder / _name(rule))
    return {"accuracy": entry["accuracy"], "loss": entry["evaluation_loss"], "seconds": entry["seconds"]}


def trained_model(candidate: Candidate, rule: Train) -> VisionModel:
    """A candidate's model after a rung; trained again where its weights are no more."""
    with _folder(candidate, rule) as folder:
        path = folder / _name(rule)
        if not path.is_file():
            _train(candidate, rule, folder)
        return _model(candidate, path)


def _train(candidate: Candidate, rule: Train, folder: Path) -> Result:
    """Trains, and keeps the weights of this rung beside those of the others; begins anew where files are damaged."""
    try:
        return _go_on(candidate, rule, folder)
    except CheckpointError as error:
        warnings.warn(f"{error.headline} It is not used: the training begins anew.", stacklevel=3)
        shutil.rmtree(folder)
        return _go_on(candidate, rule, folder)


def _go_on(candidate: Candidate, rule: Train, folder: Path) -> Result:
    recipe = load_recipe(rule.recipe.tree, {"seed": candidate.seed})
    hardware = _hardware(candidate.device)
    result = train(candidate.spec, recipe, folder, rule.data_set, until=rule.last, hardware=hardware)
    path = folder / _name(rule)
    if len(result.history) == rule.last:
        with write_whole(path) as draft:
            shutil.copyfile(folder / LAST, draft)
    elif not path.is_file():
        raise CheckpointError(f"{path}: the weights after epoch {rule.last} are missing.", code="E816")
    return result


def _hardware(device: str) -> Hardware:
    """One device, by torch's name of it."""
    place = torch.device(device)
    if place.type == "cpu":
        return Hardware(accelerator="cpu")
    return Hardware(devices=(place.index or 0,), accelerator="gpu")


@contextmanager
def _folder(candidate: Candidate, rule: Train) -> Iterator[Path]:
    """Where a candidate is trained so; a folder for the time being, where it has none."""
    if candidate.folder is None:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
        return
    said: dict[str, Any] = {"recipe": rule.recipe.said, "data": rule.data_set, "seed": candidate.seed}
    text = json.dumps({"spec": candidate.spec.hash, **said}, sort_keys=True)
    yield candidate.folder / f"train_{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _name(rule: Train) -> str:
    """The file of the weights after a rung."""
    return f"epoch_{rule.last}.safetensors"


def _model(candidate: Candidate, path: Path) -> VisionModel:
    model = candidate.build()
    model.load_state_dict(read_weights(path).tensors)
    return model.eval()
