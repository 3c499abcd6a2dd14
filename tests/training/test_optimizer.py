"""Groups as timm makes them, rates as timm's schedulers give them, and averages as the equations say."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from timm.scheduler import CosineLRScheduler, StepLRScheduler
from torch import nn
from torch.optim.swa_utils import AveragedModel

import vitdsl
from vitdsl.errors import SpecError
from vitdsl.resolve.files import shipped
from vitdsl.training.optimizer import (
    average_decay,
    averaging,
    highest_rate,
    learning_rate,
    make_optimizer,
    parameter_groups,
    set_rate,
)
from vitdsl.training.recipe import Average, Optimizer, Recipe, load_recipe

SMALL = """
epochs: 10
batch: 8
optimizer: {learning_rate: 1e-3, weight_decay: 0.05}
"""
RECIPES = sorted(path.stem for path in shipped("recipes").glob("*.yaml"))
SPECS = ("deit_tiny_distilled", "swin_tiny", "cct_2_3x2_32", "levit_128s", "t2t_vit_7")
PER_EPOCH = 7
"""Steps of an epoch, of which nothing is a multiple."""


@pytest.fixture(scope="module", params=SPECS)
def model(request: pytest.FixtureRequest) -> nn.Module:
    return vitdsl.build(request.param, device="meta")


# ---------------------------------------------------------------- groups


def settings(model: nn.Module, groups: list[dict[str, Any]], share: str = "share") -> dict[str, tuple[float, float]]:
    """The weight decay and the share of every parameter by name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {
        names[id(p)]: (group["weight_decay"], group.get(share, 1.0)) for group in groups for p in group["params"]
    }  # fmt: skip
    assert len(found) == sum(len(group["params"]) for group in groups)
    return found


def test_groups_are_those_of_timm(model: nn.Module) -> None:
    mine = settings(model, parameter_groups(model, Optimizer(learning_rate=1.0, weight_decay=0.05)))
    theirs = param_groups_weight_decay(model, 0.05, no_weight_decay_list=model.no_weight_decay())
    assert mine == settings(model, theirs, "lr_scale")
    assert mine.keys() == {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_rates_by_block_are_those_of_timm(model: nn.Module) -> None:
    mine = parameter_groups(model, Optimizer(learning_rate=1.0, weight_decay=0.05, layer_decay=0.7))
    kept = model.no_weight_decay()
    theirs = settings(model, param_groups_layer_decay(model, 0.05, kept, layer_decay=0.7), "lr_scale")
    assert settings(model, mine) == theirs
    shares = [group["share"] for group in mine]
    assert shares == sorted(shares)
    assert max(shares) == 1.0
    assert len(set(shares)) >= 4


def test_what_decays() -> None:
    model = vitdsl.build("deit_tiny", device="meta")
    found = settings(model, parameter_groups(model, Optimizer(learning_rate=1.0, weight_decay=0.05)))
    still = {name for name, (decay, _) in found.items() if not decay}
    assert {name for name in found if "tokens" in name or "position" in name} <= still
    assert {name for name in found if name.endswith(".bias") or "norm" in name} <= still
    assert not [name for name in found.keys() - still if model.get_parameter(name).ndim < 2]


def test_a_bias_of_several_dimensions_does_not_decay() -> None:
    model = nn.Linear(2, 3)
    model.bias = nn.Parameter(torch.zeros(4, 3))
    assert settings(model, parameter_groups(model, Optimizer(learning_rate=1.0, weight_decay=0.1))) == {
        "weight": (0.1, 1.0), "bias": (0.0, 1.0),
    }  # fmt: skip


def test_what_is_frozen_is_in_no_group() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    assert set(settings(model, parameter_groups(model, Optimizer(learning_rate=1.0)))) == {"1.weight", "1.bias"}


# ---------------------------------------------------------------- the optimizer


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_recipe_has_its_optimizer(name: str) -> None:
    recipe = load_recipe(name)
    optimizer = make_optimizer(nn.Linear(4, 3), recipe)
    file = recipe.file.optimizer
    assert {group["weight_decay"] for group in optimizer.param_groups} == {file.weight_decay, 0.0}
    assert {group["lr"] for group in optimizer.param_groups} == {highest_rate(file, recipe.file.batch)}


def test_settings_reach_the_optimizer() -> None:
    edits = {"optimizer": {"type": "adamw", "learning_rate": 1e-3, "betas": [0.8, 0.95], "eps": 1e-6, "per_batch": 16}}
    made = make_optimizer(nn.Linear(2, 2), load_recipe(SMALL, set=edits), batch=32)
    assert type(made) is torch.optim.AdamW
    assert {(group["betas"], group["eps"], group["lr"]) for group in made.param_groups} == {((0.8, 0.95), 1e-6, 2e-3)}
    plain = load_recipe(SMALL, set={"optimizer.type": "momentum", "optimizer.momentum": 0.7})
    made = make_optimizer(nn.Linear(2, 2), plain)
    assert {(group["momentum"], group["nesterov"]) for group in made.param_groups} == {(0.7, False)}


def test_the_rate_is_written_into_each_group() -> None:
    model = vitdsl.build("cct_2_3x2_32")
    optimizer = make_optimizer(model, load_recipe(SMALL, set={"optimizer.layer_decay": 0.5}))
    assert not any("lr_scale" in group for group in optimizer.param_groups)
    set_rate(optimizer, 0.2)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == [0.2 * group["share"] for group in optimizer.param_groups]
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert scheduler.get_last_lr() == [0.5 * rate for rate in rates]


@pytest.mark.parametrize(("edit", "at", "message", "hint"), [
    ({"optimizer.type": "adamww"}, "optimizer.type", "there is no optimizer `adamww`", "did you mean 'adamw'?"),
    ({"optimizer.type": "momentum", "optimizer.betas": [0.9, 0.99]}, "optimizer.betas", "has no `betas`", "`momentum`"),
    ({"optimizer.type": "lamb", "optimizer.momentum": 0.5}, "optimizer.momentum", "has no `momentum`", "`betas`"),
    ({"optimizer.type": "fusedlamb"}, "optimizer.type", "cannot be made here", ""),
])  # fmt: skip
def test_what_timm_does_not_have_is_refused_at_its_line(edit: dict[str, Any], at: str, message: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        make_optimizer(nn.Linear(2, 2), load_recipe(SMALL, set=edit))
    (problem,) = caught.value.problems
    assert problem.path == at
    assert message in problem.message
    assert hint in problem.hint
    assert problem.mark is not None


# ---------------------------------------------------------------- the learning rate


def timm_scheduler(recipe: Recipe, batch: int, per_epoch: int) -> Any:
    """timm's scheduler as the authors' scripts make it: by epochs or by updates."""
    file, schedule = recipe.file, recipe.file.schedule
    scale = batch / (file.optimizer.per_batch or batch)
    ends = scale if schedule.scaled else 1
    unit = 1 if schedule.by == "epoch" else per_epoch
    warmup = schedule.warmup * unit if schedule.warmup_steps is None else schedule.warmup_steps
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=file.optimizer.learning_rate * scale)
    common = {
        "warmup_t": warmup, "warmup_lr_init": schedule.warmup_from * ends, "warmup_prefix": schedule.after_warmup,
        "t_in_epochs": schedule.by == "epoch",
    }  # fmt: skip
    if schedule.type == "steps":
        return StepLRScheduler(optimizer, decay_t=schedule.every * unit, decay_rate=schedule.factor, **common)
    length = (file.epochs - schedule.cooldown) * unit - (warmup if schedule.after_warmup else 0)
    return CosineLRScheduler(optimizer, t_initial=length, lr_min=schedule.end * ends, cycle_limit=1, **common)


def timm_rates(recipe: Recipe, batch: int, per_epoch: int) -> Iterator[float]:
    """The rate of every step, with the scheduler called at the end of each epoch or update, as timm says."""
    scheduler = timm_scheduler(recipe, batch, per_epoch)
    for step in range(recipe.file.epochs * per_epoch):
        if step and step % per_epoch == 0:
            scheduler.step(step // per_epoch)
        if step:
            scheduler.step_update(step)
        yield scheduler.optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("batch", [None, 96])
def test_rates_of_shipped_recipes_are_those_of_timm(name: str, batch: int | None) -> None:
    recipe = load_recipe(name)
    batch, per_epoch = batch or recipe.file.batch, PER_EPOCH
    if recipe.file.schedule.warmup_steps:  # SimpleViT's 10,000 steps are eight epochs of ImageNet
        recipe = load_recipe(name, set={"schedule.warmup_steps": 103})
    steps = range(recipe.file.epochs * per_epoch)
    mine = [learning_rate(recipe, step, per_epoch, batch) for step in steps]
    assert mine == pytest.approx([*timm_rates(recipe, batch, per_epoch)], rel=1e-12, abs=1e-18)


@pytest.mark.parametrize(("name", "epochs"), [("simple_vit", 90), ("simple_vit_300", 300)])
def test_simple_vit_has_its_own_law(name: str, epochs: int) -> None:
    recipe, per_epoch = load_recipe(name), 1281167 * 99 // 100 // 1024
    total = epochs * per_epoch
    for step in (0, 1, 5000, 9999, 10000, 10001, total // 2, total - 1):
        progress = min(max((step - 10000) / (total - 10000), 0), 1)
        law = 1e-3 * 0.5 * (1 + math.cos(math.pi * progress)) * min(1, step / 10000)
        assert learning_rate(recipe, step, per_epoch, 1024) == pytest.approx(law, rel=1e-12, abs=1e-18)


@pytest.mark.parametrize(("schedule", "expected"), [
    ({"type": "constant", "warmup": 2}, [0, 0.5, 1, 1, 1, 1, 1, 1, 1, 1]),
    ({"type": "linear", "end": 0.2, "cooldown": 2}, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.2]),
    ({"type": "linear", "warmup": 5, "after_warmup": False}, [0, 0.2, 0.4, 0.6, 0.8, 0.5, 0.4, 0.3, 0.2, 0.1]),
    ({"type": "steps", "every": 3, "factor": 0.5, "end": 0.2}, [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2]),
    ({"type": "cosine", "warmup": 10}, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
    ({"type": "cosine", "cooldown": 10, "end": 0.3}, [0.3] * 10),
])  # fmt: skip
def test_curves(schedule: dict[str, Any], expected: list[float]) -> None:
    recipe = load_recipe(SMALL, set={"optimizer.learning_rate": 1.0, "schedule": {**schedule, "by": "epoch"}})
    found = [learning_rate(recipe, 7 * epoch + 6, 7, 8) for epoch in range(10)]
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_the_ends_are_scaled_where_the_recipe_says_so() -> None:
    edits = {"optimizer.per_batch": 8, "schedule": {"warmup": 1, "warmup_from": 1e-4, "end": 1e-5, "cooldown": 1}}
    for scaled, ends in ((False, 1), (True, 4)):
        recipe = load_recipe(SMALL, set={**edits, "schedule.scaled": scaled})
        rates = [learning_rate(recipe, step, 5, 32) for step in (0, 5, 49)]
        assert rates == pytest.approx([1e-4 * ends, 4e-3, 1e-5 * ends], rel=1e-12)


# ---------------------------------------------------------------- the running average


@pytest.mark.parametrize("average", [Average(decay=0.9), Average(decay=0.9, warmup=True)])
def test_averages_follow_the_equation(average: Average) -> None:
    model = nn.BatchNorm1d(2, dtype=torch.float64)
    running = AveragedModel(model, use_buffers=True, multi_avg_fn=averaging(average))
    expected = None
    for step in range(30):
        with torch.no_grad():
            model.weight.fill_(math.sin(step))
            model.num_batches_tracked.fill_(step)
        running.update_parameters(model)
        decay = average_decay(average, step)
        expected = math.sin(step) if expected is None else decay * expected + (1 - decay) * math.sin(step)
        assert running.module.weight.tolist() == pytest.approx([expected] * 2, rel=1e-12)
        assert running.module.num_batches_tracked == step


def test_a_warm_up_begins_lower() -> None:
    found = [average_decay(Average(decay=0.9, warmup=True), updates) for updates in (0, 8, 1000)]
    assert found == pytest.approx([0.1, 0.5, 0.9], rel=1e-12)
