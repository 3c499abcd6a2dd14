"""Data sets by name, divided into photos that train and photos that evaluate, and fitted to a spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vitdsl.errors import Problem, SpecError
from vitdsl.preprocess import statistics
from vitdsl.syntax.locate import problem
from vitdsl.training import INSTALL
from vitdsl.training.photos import Photos
from vitdsl.training.sources import DIGITS, classes_in, read_source

if TYPE_CHECKING:
    from vitdsl.spec import Spec

__all__ = ["DIGITS", "Splits", "check_fit", "classes_in", "load_photos", "photos_for", "unsuited"]
SPLIT_SEED = 0
"""Every training evaluates on the same photos, whatever its own seed."""
VALIDATION = 0.25


class Splits(NamedTuple):
    """The photos of a data set that train, and those that evaluate."""

    train: Photos
    validation: Photos


def load_photos(name: str, validation: float = VALIDATION) -> Splits:
    """A data set.

    Args:
        name: `digits`; a folder with a folder of images for each class, or with two such folders, `train` and `val`;
            `cifar10:DIR`, `cifar100:DIR`, `imagenet:DIR`, `hf:NAME_OR_DIR`.
        validation: the share of each class that evaluates, drawn by a fixed seed; unused where the data set says which.

    Raises:
        SpecError: there is no such data set, or it cannot be divided.
    """
    source = read_source(name)
    if source.validation is None:
        return _divided(source.train, validation)
    return Splits(source.train, source.validation)


def photos_for(spec: Spec, name: str, validation: float = VALIDATION) -> Splits:
    """A data set that a spec can be trained on.

    Args:
        spec: whose classes and channels the photos must fit.
        name: as in `load_photos`.
        validation: as in `load_photos`.

    Raises:
        SpecError: there is no such data set, or it does not fit.
    """
    splits = load_photos(name, validation)
    check_fit(spec, splits.train)
    return splits


def check_fit(spec: Spec, photos: Photos) -> None:
    """Refuses photos that a spec cannot be trained on.

    Raises:
        SpecError: other classes, or numbers of channels that photos do not have; at their place in the spec.
    """
    found = []
    try:
        statistics(spec.model.input)
    except ValueError as error:
        hint = "`channels: 1`, `3` or `4`"
        found.append(problem(spec.tree, ("input", "channels"), str(error), hint, code="E805"))
    if (message := _other_classes(photos.name, len(photos.classes), spec)) is not None:
        found.append(problem(spec.tree, ("classes",), message, code="E805"))
    if found:
        raise SpecError(found)


def unsuited(name: str, spec: Spec) -> str | None:
    """Why a spec, or a space without regard to its holes, cannot be trained on a data set, or None."""
    try:
        available = classes_in(name)
    except SpecError as error:
        return error.problems[0].message
    if not spec.model.input.open:
        try:
            statistics(spec.model.input)
        except ValueError as error:
            return str(error)
    return _other_classes(name, available, spec)


def _other_classes(name: str, available: int, spec: Spec) -> str | None:
    classes = spec.model.classes
    if isinstance(classes, int) and classes != available:
        return f"`{name}` has {available} classes, but the spec has {classes}: write `classes: {available}`"
    return None


def _divided(photos: Photos, validation: float) -> Splits:
    """Photos that train and photos that evaluate, each with the same share of every class."""
    import numpy as np

    try:
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise SpecError(Problem(f"to divide a data set needs scikit-learn: {INSTALL}", code="E601")) from None
    rows = np.arange(len(photos))
    try:
        train, held = train_test_split(rows, test_size=validation, stratify=photos.labels, random_state=SPLIT_SEED)
    except ValueError as error:
        hint = "more images of each class, another share `validation`, or folders `train` and `val`"
        raise SpecError(Problem(f"the data set cannot be split: {error}", hint=hint, code="E804")) from None
    return Splits(photos.take(train), photos.take(held))
