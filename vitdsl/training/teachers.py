"""Teachers of distillation: models that say something of the student's images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitdsl.errors import InputError, Problem, SpecError, first_line
from vitdsl.preprocess import statistics
from vitdsl.spec import Spec, load
from vitdsl.training.kinds import TIMM, Distillation
from vitdsl.training.recipe import Recipe


class Teacher:
    """A model that is evaluated on a student's images, with their statistics turned into its own.

    Attributes:
        model: in evaluation mode; nothing of it gets a gradient.
    """

    def __init__(self, model: nn.Module, mean: tuple[Tensor, Tensor], std: tuple[Tensor, Tensor]) -> None:
        """Takes the model, and the means and deviations of the student's images and of its own, (C,)."""
        self.model = model.eval().requires_grad_(False)
        self.scale_c11 = (std[0] / std[1])[:, None, None]
        self.shift_c11 = ((mean[0] - mean[1]) / std[1])[:, None, None]
        self._same = bool((self.scale_c11 == 1).all() and (self.shift_c11 == 0).all())

    @torch.no_grad()
    def __call__(self, images_bchw: Tensor) -> Tensor:
        """Logits, (B, K)."""
        if self.scale_c11.device != images_bchw.device:
            self.model.to(images_bchw.device)
            self.scale_c11, self.shift_c11 = (x.to(images_bchw.device) for x in (self.scale_c11, self.shift_c11))
        x_bchw = images_bchw if self._same else images_bchw * self.scale_c11 + self.shift_c11
        return self.model(x_bchw)


def load_teachers(recipe: Recipe, spec: Spec) -> dict[str, Teacher]:
    """The teachers that a recipe names, by the name of the loss.

    Args:
        recipe: whose losses name teachers.
        spec: of the student.

    Raises:
        SpecError: there is no such teacher, or it does not fit the student: other classes, channels or images.
        CheckpointError: its weights do not fit.
    """
    return {
        name: _teacher(recipe, name, loss, spec)
        for name, loss in recipe.file.losses.items()
        if isinstance(loss, Distillation)
    }


def _teacher(recipe: Recipe, name: str, loss: Distillation, spec: Spec) -> Teacher:
    at = ("losses", name, "teacher")
    own = _statistics(spec)
    if loss.teacher.startswith(TIMM):
        model, statistics = _of_timm(recipe, at, loss, spec.model.classes)
    else:
        model, statistics = _of_spec(recipe, at, loss, spec)
    height, width = spec.model.input.size
    images = torch.zeros(1, spec.model.input.channels, height, width)
    try:
        with torch.no_grad():
            found = tuple(model.eval()(images).shape)
    except (RuntimeError, ValueError, AssertionError) as error:
        shown = " × ".join(map(str, images.shape[1:]))
        message = f"the teacher cannot take the student's images, {shown}: {first_line(error)}"
        raise SpecError(recipe.problem(at, message, code="E812")) from None
    if found != (1, spec.model.classes):
        message = f"the teacher tells {found[1]:,} classes, but the student {spec.model.classes:,}"
        raise SpecError(recipe.problem(at, message, "both must have the same classes, in the same order", code="E812"))
    return Teacher(model, (own[0], statistics[0]), (own[1], statistics[1]))


def _of_spec(recipe: Recipe, at: Any, loss: Distillation, student: Spec) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    from vitdsl.api import build, load_weights
    from vitdsl.checkpoints.files import read_metadata
    from vitdsl.checkpoints.header import SPEC_TEXT

    if loss.teacher_weights is None:
        message = "a teacher that is a spec needs weights, or it knows nothing"
        raise SpecError(
            recipe.problem(at, message, "`teacher_weights: FILE`, as `vitdsl train` writes it", code="E811")
        )
    where = (*at[:-1], "teacher_weights")
    path = recipe.path_of(where, loss.teacher_weights)
    if not path.is_file():
        raise SpecError(
            recipe.problem(where, f"there is no file `{path}`, beside the recipe or seen from here", code="E811")
        )
    written = read_metadata(path).get(SPEC_TEXT) if path.suffix == ".safetensors" else None
    spec = load(written) if written else None
    if spec is None or spec.name != loss.teacher:
        spec = load(Path(loss.teacher), {"classes": student.model.classes})
    height, width = student.model.input.size
    try:
        model = build(spec, size=(height, width))
    except InputError as error:
        message = f"the teacher cannot be built for the student's images, {height} × {width}: {first_line(error)}"
        raise SpecError(recipe.problem(at, message, code="E812")) from None
    load_weights(model, path)
    return model, _statistics(spec)


def _of_timm(recipe: Recipe, at: Any, loss: Distillation, classes: int) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    given = loss.teacher_weights
    weights = None if given is None else str(recipe.path_of((*at[:-1], "teacher_weights"), given))
    try:
        model = create_timm(loss.teacher.removeprefix(TIMM), weights, classes)
    except InputError as error:
        raise SpecError(
            [recipe.problem(at, each.message, each.hint, code=each.code) for each in error.problems]
        ) from None
    config: Any = model.pretrained_cfg
    return model, (torch.tensor(config["mean"]), torch.tensor(config["std"]))


def create_timm(name: str, weights: str | None, classes: int | None = None) -> nn.Module:
    """A model of timm.

    Args:
        name: as timm calls it.
        weights: a file; None: timm's own, which are downloaded.
        classes: of the weights in the file; None: those that timm's own have.

    Raises:
        InputError: timm has no such model, or its weights cannot be had.
    """
    import timm

    if not timm.is_model(name):
        near = timm.list_models(f"{name.split('.')[0].split('_')[0]}*")[:5]
        hint = f"timm has {', '.join(near)}, …" if near else ""
        raise InputError(Problem(f"timm has no model `{name}`", hint=hint, code="E811"))
    if weights is not None and not Path(weights).is_file():
        raise InputError(Problem(f"there is no file `{weights}`, seen from here", code="E811"))
    given: dict[str, Any] = {"checkpoint_path": weights} if weights else {"pretrained": True}
    if weights and classes is not None:
        given["num_classes"] = classes
    try:
        return timm.create_model(name, **given)
    except Exception as error:  # the file may hold anything, and the network has errors of many kinds
        raise InputError(Problem(f"the weights of `{name}` cannot be had: {first_line(error)}", code="E710")) from error


def _statistics(spec: Spec) -> tuple[Tensor, Tensor]:
    mean, std = statistics(spec.model.input)
    return torch.tensor(mean), torch.tensor(std)
