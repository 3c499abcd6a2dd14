"""What moves the weights: groups of parameters, the optimizer, the learning rate of each step, the running average.

The learning rate is a pure function of the step, and is written into each group: a group's `share` of it never depends
on a scheduler that knows `lr_scale`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from vitdsl.errors import SpecError, did_you_mean
from vitdsl.training.recipe import Average, Optimizer, Recipe, Schedule

Tensors = tuple[Tensor, ...] | list[Tensor]

# ---------------------------------------------------------------- groups


def by_decay(
    parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float, decays: Callable[[str, nn.Parameter], bool]
) -> list[dict[str, Any]]:
    """Two groups of what is trained: that which decays, and that which does not.

    Args:
        parameters: with their names.
        weight_decay: of the first group.
        decays: whether a parameter is of the first group.
    """
    trained = [(name, parameter) for name, parameter in parameters if parameter.requires_grad]
    chosen = [[p for name, p in trained if decays(name, p) is wanted] for wanted in (True, False)]
    groups = zip(chosen, (weight_decay, 0.0), strict=True)
    return [{"params": params, "weight_decay": decay} for params, decay in groups]


def is_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether it has more than one dimension, as biases, norms and scales do not."""
    return parameter.ndim > 1


def parameter_groups(model: nn.Module, optimizer: Optimizer) -> list[dict[str, Any]]:
    """The parameters by weight decay, and with `layer_decay` by block.

    Biases, vectors, and what `model.no_weight_decay()` names do not decay. `share` of a group is its part of the
    learning rate: 1 for the head, times `layer_decay` for each group of `model.group_matcher()` that is before it
    (Clark et al., 2020; Bao et al., 2022).

    Args:
        model: a module; without a `group_matcher` it has no rates by block.
        optimizer: that of a recipe.
    """
    kept = getattr(model, "no_weight_decay", set)()

    def decays(name: str, parameter: nn.Parameter) -> bool:
        return is_matrix(name, parameter) and name.rpartition(".")[2] != "bias" and name not in kept

    named = dict(model.named_parameters())
    groups = []
    for share, names in _by_share(model, optimizer.layer_decay).items():
        own = by_decay(((name, named[name]) for name in names), optimizer.weight_decay, decays)
        groups += [{**group, "share": share} for group in own if group["params"]]
    return groups


def _by_share(model: nn.Module, layer_decay: float | None) -> dict[float, list[str]]:
    """The names of parameters by their share of the learning rate, the smallest first."""
    names = [name for name, _ in model.named_parameters()]
    if layer_decay is None:
        return {1.0: names}
    from timm.models import group_parameters

    layers: Any = group_parameters(model, model.group_matcher(coarse=False), reverse=True)  # pyright: ignore[reportCallIssue]
    last = max(layers.values())
    found: dict[float, list[str]] = {}
    for name in sorted(names, key=lambda name: layers[name]):
        found.setdefault(layer_decay ** (last - layers[name]), []).append(name)
    return found


# ---------------------------------------------------------------- the optimizer


def make_optimizer(model: nn.Module, recipe: Recipe, batch: int | None = None) -> torch.optim.Optimizer:
    """The optimizer of a recipe, by timm's name, with the groups of `parameter_groups`.

    Args:
        model: what is trained.
        recipe: its `optimizer` is meant.
        batch: images a step, where they are not those of the recipe; the learning rate is scaled with them.

    Raises:
        SpecError: timm has no optimizer of this name, or it has no such setting, or needs what is not installed.
    """
    from timm.optim import create_optimizer_v2  # pyright: ignore[reportPrivateImportUsage]

    file = recipe.file.optimizer
    refuse_optimizer(recipe)
    settings = {"betas": tuple(file.betas) if file.betas else None, "eps": file.eps}
    given = {name: value for name, value in settings.items() if value is not None}
    rate = highest_rate(file, batch or recipe.file.batch)
    try:
        made = create_optimizer_v2(
            parameter_groups(model, file), file.type, lr=rate, weight_decay=0.0, momentum=file.momentum, **given
        )
    except (AssertionError, ImportError, RuntimeError) as error:  # what needs apex, bitsandbytes or a GPU
        message = f"the optimizer `{file.type}` cannot be made here: {error}"
        raise SpecError(recipe.problem(("optimizer", "type"), message, code="E802")) from None
    set_rate(made, rate)
    return made


def refuse_optimizer(recipe: Recipe) -> None:
    """Refuses an optimizer that timm does not know, and settings that it does not have, at their lines."""
    from timm.optim import get_optimizer_info, list_optimizers  # pyright: ignore[reportPrivateImportUsage]

    file = recipe.file.optimizer
    known = [*map(str, list_optimizers())]
    if file.type not in known:
        message = f"there is no optimizer `{file.type}`"
        raise SpecError(recipe.problem(("optimizer", "type"), message, did_you_mean(file.type, known), code="E802"))
    info = get_optimizer_info(file.type)
    has = {"betas": info.has_betas, "eps": info.has_eps, "momentum": info.has_momentum}
    faults = [name for name in has if name in file.fields_set and not has[name] and getattr(file, name) is not None]
    if faults:
        hint = f"it has {' and '.join(f'`{name}`' for name in has if has[name]) or 'none of these'}"
        raise SpecError(
            [
                recipe.problem(("optimizer", name), f"`{file.type}` has no `{name}`", hint, code="E802")
                for name in faults
            ]
        )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Writes the learning rate into each group, times the group's share."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("share", 1.0)


# ---------------------------------------------------------------- the learning rate


def highest_rate(optimizer: Optimizer, batch: int) -> float:
    """The highest learning rate for a batch of so many images."""
    return optimizer.learning_rate * _scale(optimizer, batch)


def _scale(optimizer: Optimizer, batch: int) -> float:
    return 1.0 if optimizer.per_batch is None else batch / optimizer.per_batch


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int, batch: int) -> float:
    """The learning rate of a step.

    Args:
        recipe: its `optimizer`, `schedule` and `epochs` are meant.
        step: from 0, over all epochs.
        steps_per_epoch: of the data at hand.
        batch: images a step, of all devices together.

    Source: timm's schedulers; SimpleViT's law is `after_warmup`, as in big_vision.
    """
    optimizer, schedule = recipe.file.optimizer, recipe.file.schedule
    highest = highest_rate(optimizer, batch)
    ends = _scale(optimizer, batch) if schedule.scaled else 1.0
    at = step - step % steps_per_epoch if schedule.by == "epoch" else step
    rising = warmup_steps(schedule, steps_per_epoch)
    if at < rising:
        first = schedule.warmup_from * ends
        return first + at * ((highest - first) / rising)
    begin = rising if schedule.after_warmup else 0.0
    length = (recipe.file.epochs - schedule.cooldown) * steps_per_epoch - begin
    return _curve(schedule, highest, schedule.end * ends, at - begin, length, schedule.every * steps_per_epoch)


def warmup_steps(schedule: Schedule, steps_per_epoch: int) -> float:
    """The steps of the warm-up."""
    return schedule.warmup * steps_per_epoch if schedule.warmup_steps is None else schedule.warmup_steps


def _curve(schedule: Schedule, highest: float, end: float, at: float, length: float, every: float) -> float:
    """The rate at a step of the curve that follows the warm-up; all lengths are in steps."""
    if schedule.type == "constant":
        return highest
    if schedule.type == "steps":
        return max(end, highest * schedule.factor ** (at // every))
    if at >= length:
        return end
    left = half_cosine(at, length) if schedule.type == "cosine" else 1 - at / length
    return end + (highest - end) * left


def half_cosine(at: float, length: float) -> float:
    """From 1 to 0 by half a cosine (Loshchilov and Hutter, 2017)."""
    return 0.5 * (1 + math.cos(math.pi * at / length))


# ---------------------------------------------------------------- the running average


def averaging(average: Average) -> Callable[[Tensors, Tensors, Any], None]:
    """What moves an average to the weights by one step, as `torch.optim.swa_utils.AveragedModel` calls it.

    Counters, which are whole numbers, are taken as they are.
    """

    @torch.no_grad()
    def move(averages: Tensors, weights: Tensors, updates: Any) -> None:
        if averages[0].is_floating_point():
            get_ema_multi_avg_fn(average_decay(average, int(updates)))(averages, weights, updates)
            return
        for kept, new in zip(averages, weights, strict=True):
            kept.copy_(new)

    return move


def average_decay(average: Average, updates: int) -> float:
    """The decay after so many updates."""
    return min(average.decay, (1 + updates) / (10 + updates)) if average.warmup else average.decay
