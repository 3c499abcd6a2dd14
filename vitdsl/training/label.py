"""Labels for tokens: what a teacher says of every position of the photos that train, stored once for all trainings.

Photos are seen whole: they are resized to the teacher's images, and neither cut nor kept in their ratio, so that a crop
of a training is found on the map by its share of the photo.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.data import Dataset

from vitdsl import __version__
from vitdsl.compiler.model import VisionModel
from vitdsl.errors import InputError, Problem, SpecError
from vitdsl.preprocess import normalised, statistics
from vitdsl.training.augmentation import WHOLE, Augmented
from vitdsl.training.batches import EvaluationBatches
from vitdsl.training.boxes import Grid
from vitdsl.training.data import VALIDATION, load_photos
from vitdsl.training.dense import DenseTeacher
from vitdsl.training.evaluation import device_named
from vitdsl.training.kinds import TIMM
from vitdsl.training.label_file import LabelHeader, writing_labels
from vitdsl.training.loading import BadSample, Corrupt, Loader, Sample, blank
from vitdsl.training.photos import Photos
from vitdsl.training.teachers import create_timm
from vitdsl.training.token_labels import EXACT, pack_scores

COUNT = 5
"""So many classes of each position are kept, as in Token Labeling."""


class Labeller(NamedTuple):
    """A model, and what its images are.

    Attributes:
        name: what it is called.
        model: gives logits of classes.
        size: height and width of its images.
        channels: of its images.
        mean: of each channel.
        std: of each channel.
        interpolation: how photos are resized.
    """

    name: str
    model: nn.Module
    size: Grid
    channels: int
    mean: list[float]
    std: list[float]
    interpolation: str = "bicubic"


class Labelled(NamedTuple):
    """What a labelling came to.

    Attributes:
        file: where the labels are.
        header: what stands in front of them.
        agreement: the share of photos of which the teacher says the class that they have.
        skipped: how many photos could not be read.
    """

    file: Path
    header: LabelHeader
    agreement: float
    skipped: int = 0


class WholePhotos(Dataset):
    """Photos as the teacher sees them, by index.

    Args:
        photos: those that are labelled.
        teacher: whose images they become.
        corrupt: what happens where one cannot be read: `error`, or `skip`.
    """

    def __init__(self, photos: Photos, teacher: Labeller, corrupt: Corrupt = "error") -> None:
        self.corrupt, self.photos = corrupt, photos
        self.teacher = teacher._replace(model=nn.Identity())  # other processes need no model

    def __getitem__(self, index: int) -> Sample | BadSample:
        from PIL.Image import Resampling

        teacher = self.teacher
        try:
            photo = self.photos.open(index, teacher.channels)
        except InputError as error:
            shape = (teacher.channels, *teacher.size)
            return BadSample(error.problems) if self.corrupt == "error" else blank(shape, [index])
        resized = photo.resize(teacher.size[::-1], Resampling[teacher.interpolation.upper()])
        image = normalised(resized, teacher.mean, teacher.std)
        return Sample(Augmented(image, WHOLE, (False, False)), int(self.photos.labels[index]), index, True, ())


def labeller_of(model: VisionModel) -> Labeller:
    """One of our models as a teacher.

    Raises:
        SpecError: its images have channels that photos do not have.
    """
    given = model.spec.model.input
    try:
        mean, std = statistics(given)
    except ValueError as error:
        raise SpecError(Problem(str(error), hint="`channels: 1`, `3` or `4`", code="E805")) from None
    return Labeller(model.spec.name, model, model.image_size, given.channels, mean, std, given.interpolation)


def timm_labeller(
    name: str, weights: str | None = None, size: Grid | None = None, classes: int | None = None
) -> Labeller:
    """A model of timm as a teacher.

    Args:
        name: as timm calls it.
        weights: a file; None: timm's own, which are downloaded.
        size: of the images; None: those that it was trained with.
        classes: of the weights in the file; None: those that timm's own have.

    Raises:
        InputError: there is no such model, or it takes no images of that size.
    """
    model = create_timm(name, weights, classes)
    config: Any = model.pretrained_cfg
    channels, *usual = config["input_size"]
    if size is not None and hasattr(model, "set_input_size"):
        try:
            model.set_input_size(img_size=size)  # pyright: ignore[reportCallIssue]
        except (AssertionError, ValueError) as error:
            raise InputError(
                Problem(f"`{TIMM}{name}` cannot take images of {size[0]}x{size[1]}: {error}", code="E812")
            ) from None
    mean, std = (list(config[key]) for key in ("mean", "std"))
    return Labeller(
        f"{TIMM}{name}",
        model,
        size or (usual[0], usual[1]),
        channels,
        mean,
        std,
        config.get("interpolation", "bicubic"),
    )


def label(
    teacher: Labeller,
    data: str,
    file: str | Path,
    *,
    count: int | None = None,
    batch: int = 32,
    device: str = "auto",
    workers: int = 0,
    corrupt: Corrupt = "error",
    validation: float = VALIDATION,
    told: Callable[[int, int], None] = lambda done, photos: None,
) -> Labelled:
    """Labels the photos of a data set that train; the file appears whole, or not at all.

    Args:
        teacher: of the classes of the data, in their order.
        data: a data set, as `vitdsl train --data` takes it.
        file: the `.safetensors` file.
        count: classes that are kept of each position; None: 5, or all where there are fewer.
        batch: photos at once.
        device: `auto`, `cpu`, `gpu`, or one of torch's.
        workers: processes that load photos.
        corrupt: what happens where a photo cannot be read: `error`, or `skip`: its labels are zeros.
        validation: the share of each class that evaluates and is not labelled, where the data set does not say it.
        told: is told the number of photos that are done, and that of all.

    Raises:
        SpecError: the data set is not there.
        InputError: the teacher does not fit it, its scores are not finite, a photo cannot be read, or there is no such
            device.
        OSError: the file cannot be written.
    """
    place = device_named(device)
    photos = load_photos(data, validation).train
    images = torch.zeros(1, teacher.channels, *teacher.size, device=place)
    dense = DenseTeacher(teacher.model.to(place), images, teacher.name)
    kept = min(COUNT, dense.classes) if count is None else count
    _check_classes(dense.classes, kept, photos, teacher.name)
    header = LabelHeader(
        data,
        len(photos),
        photos.digest(),
        len(photos.classes),
        teacher.name,
        teacher.size,
        kept,
        dense.grid,
        __version__,
    )
    right, done = 0, 0
    loader = Loader(WholePhotos(photos, teacher, corrupt), EvaluationBatches(len(photos), batch), workers)
    with writing_labels(Path(file), header) as write:
        for each in loader:
            scores_bkhw = dense(each.images.to(place))
            packed = pack_scores(scores_bkhw, kept).cpu()
            packed[~each.valid] = 0
            if not packed.isfinite().all():
                message = f"the scores of `{teacher.name}` are not finite, or too large for float16"
                raise InputError(Problem(message, hint="whether these are its weights", code="E604"))
            write(packed)
            right += int((scores_bkhw.mean((2, 3)).argmax(1).cpu() == each.labels)[each.valid].sum())
            done += len(each.labels)
            told(done, len(photos))
    skipped = len(loader.unreadable)
    return Labelled(Path(file), header, right / max(1, len(photos) - skipped), skipped)


def _check_classes(classes: int, count: int, photos: Photos, name: str) -> None:
    """Refuses a teacher of other classes, and what float16 cannot tell apart."""
    there = len(photos.classes)
    if classes != there:
        message = f"the teacher `{name}` has {classes} classes, but `{photos.name}` has {there}"
        raise InputError(Problem(message, hint="a teacher of the same classes, in the same order", code="E812"))
    if not 1 <= count <= classes:
        raise InputError(Problem(f"{count} classes of each position cannot be kept: there are {classes}", code="E813"))
    if classes > EXACT + 1:
        raise InputError(
            Problem(f"labels of tokens are for at most {EXACT + 1:,} classes, but there are {classes:,}", code="E813")
        )
