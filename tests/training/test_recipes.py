"""The numbers of each shipped recipe, as its paper or its authors' repository prints them."""

from typing import Any

import pytest

from vitdsl.resolve.files import shipped
from vitdsl.training.kinds import CrossEntropy, Distillation, MixToken, MixupCutmix, Regions, RolledMixup
from vitdsl.training.recipe import Recipe, load_recipe

POLICY = "rand-m9-mstd0.5-inc1"
PRINTED: dict[str, dict[str, Any]] = {
    "deit": {  # the defaults of main.py; batch: section 6 of the paper
        "epochs": 300, "batch": 1024, "rate": 1e-3, "weight_decay": 0.05, "warmup": 5, "first": 1e-6, "last": 1e-5,
        "policy": POLICY, "smoothing": 0.1, "mixup": 0.8, "cutmix": 1, "erase": 0.25, "repeats": 3, "average": 0.99996,
        "optimizer": "adamw", "clip": None,
    },
    "deit_hard": {"epochs": 300, "batch": 1024, "rate": 1e-3, "repeats": 3},
    "deit_soft": {"epochs": 300, "batch": 1024, "rate": 1e-3, "repeats": 3},
    "deit3": {  # README_revenge.md, deit_base_patch16_LS; 256 images on each of 8 devices
        "epochs": 800, "batch": 2048, "rate": 3e-3, "weight_decay": 0.05, "optimizer": "lamb", "smoothing": 0,
        "mixup": 0.8, "cutmix": 1, "erase": 0, "jitter": 0.3, "policy": "three", "repeats": 3, "warmup": 5,
        "first": 1e-6,
    },
    "simple_vit": {  # vit_s16_i1k.py
        "epochs": 90, "batch": 1024, "rate": 1e-3, "weight_decay": 1e-4 / 1e-3, "warmup": 0, "steps": 10000, "last": 0,
        "policy": "rand-m10-n2", "smoothing": 0, "clip": 1, "optimizer": "adamw", "repeats": 1, "average": None,
    },
    "simple_vit_300": {"epochs": 300, "batch": 1024, "rate": 1e-3, "weight_decay": 0.1, "steps": 10000},
    "t2t_vit": {  # README and main.py
        "epochs": 300 + 10, "cooldown": 10, "batch": 512, "rate": 5e-4, "weight_decay": 0.05, "warmup": 10,
        "first": 1e-6, "last": 1e-5, "mixup": 0.8, "cutmix": 1, "policy": POLICY, "erase": 0.25, "smoothing": 0.1,
        "average": 0.99996, "repeats": 1,
    },
    "cait": {"epochs": 400, "batch": 1024, "rate": 1e-3, "weight_decay": 0.05, "warmup": 5},
    "swin": {  # config.py; 128 images on each of 8 devices
        "epochs": 300, "batch": 1024, "rate": 1e-3, "weight_decay": 0.05, "warmup": 20, "first": 5e-7 * 2,
        "last": 5e-6 * 2, "clip": 5, "smoothing": 0.1, "mixup": 0.8, "cutmix": 1, "policy": POLICY, "erase": 0.25,
        "average": None, "repeats": 1,
    },
    "convnext": {  # TRAINING.md and main.py
        "epochs": 300, "batch": 4096, "rate": 4e-3, "weight_decay": 0.05, "warmup": 20, "first": 0, "last": 1e-6,
        "smoothing": 0.1, "mixup": 0.8, "cutmix": 1, "policy": POLICY, "erase": 0.25, "average": 0.9999, "repeats": 1,
    },
    "levit": {  # main.py, 256 images on each of 8 devices
        "epochs": 1000, "batch": 2048, "rate": 2e-3, "weight_decay": 0.025, "warmup": 5, "first": 1e-6, "last": 1e-5,
        "clip": 0.01, "clip_by": "agc", "repeats": 3, "average": 0.99996,
    },
    "cct_cifar": {  # cct_7-3x1_cifar10_300epochs.yml
        "epochs": 300 + 10, "cooldown": 10, "batch": 128, "rate": 55e-5, "weight_decay": 0.06, "warmup": 10,
        "first": 1e-5, "last": 1e-5, "smoothing": 0.1, "mixup": 0.8, "cutmix": 1, "policy": POLICY, "erase": 0,
        "average": None, "repeats": 1, "mix_epochs": 175,
    },
    "visual_transformer": {  # section 5.1 of the paper
        "epochs": 90, "batch": 256, "rate": 0.1, "weight_decay": 4e-5, "momentum": 0.9, "every": 30, "factor": 0.1,
        "optimizer": "momentum", "average": None,
    },
    "visual_transformer_distilled": {  # section 5.3
        "epochs": 400, "batch": 2048, "rate": 0.16, "first": 0.01, "warmup": 5, "every": 1, "factor": 0.9875,
        "optimizer": "rmsprop", "momentum": 0.9, "weight_decay": 4e-5, "average": 0.99985, "policy": "original",
    },
    "token_labeling": {  # main.py
        "epochs": 300 + 10, "cooldown": 10, "batch": 1024, "rate": 1.6e-3, "weight_decay": 0.05, "warmup": 5,
        "first": 1e-6, "last": 1e-5, "smoothing": 0.1, "erase": 0.25, "average": 0.99992, "repeats": 1,
    },
    "patch_diversity": {"epochs": 300, "batch": 1024, "rate": 1e-3, "weight_decay": 0.05, "mixup": 0, "cutmix": 1},
    "patch_diversity_official": {  # README, deit_small_patch16_224; 128 images on each of 8 devices
        "epochs": 360, "batch": 1024, "rate": 1e-3, "weight_decay": 0.05, "last": 1e-7, "clip": 5, "clip_by": "norm",
        "smoothing": 0.1, "average": 0.99999, "repeats": 1, "policy": POLICY,
    },
    "attention_cosine": {  # refiner_s_relabel.yaml
        "epochs": 300 + 10, "cooldown": 10, "batch": 256, "rate": 5e-4, "weight_decay": 0.05, "warmup": 5,
        "first": 1e-6, "last": 1e-5, "mixup": 0.8, "cutmix": 1, "erase": 0.25, "repeats": 1, "average": 0.99996,
    },
    "fine_tuning": {  # README_deit.md, deit_base_patch16_384; 32 images on each of 16 devices
        "epochs": 30, "batch": 512, "rate": 5e-6, "last": 5e-6, "weight_decay": 1e-8, "repeats": 3,
    },
}  # fmt: skip
"""By recipe; `rate`, `first` and `last` are those of its own batch."""
DIGITS = ("digits", "digits_distilled", "digits_patch_diversity", "digits_token_labels")
"""Those that no paper prints."""


def number(recipe: Recipe, name: str) -> Any:
    """A number of a recipe, by the short name that the table has for it."""
    file = recipe.file
    optimizer, schedule, augment = file.optimizer, file.schedule, file.augment
    scale = file.batch / optimizer.per_batch if optimizer.per_batch else 1
    ends = scale if schedule.scaled else 1
    places = {
        "rate": lambda: optimizer.learning_rate * scale, "weight_decay": lambda: optimizer.weight_decay,
        "momentum": lambda: optimizer.momentum, "optimizer": lambda: optimizer.type,
        "first": lambda: schedule.warmup_from * ends, "last": lambda: schedule.end * ends,
        "warmup": lambda: schedule.warmup, "steps": lambda: schedule.warmup_steps,
        "cooldown": lambda: schedule.cooldown, "every": lambda: schedule.every, "factor": lambda: schedule.factor,
        "policy": lambda: augment.policy,
        "erase": lambda: augment.erase, "jitter": lambda: augment.color_jitter, "repeats": lambda: augment.repeats,
        "mixup": lambda: file.mix.mixup, "cutmix": lambda: file.mix.cutmix,
        "average": lambda: file.average and file.average.decay,
    }  # fmt: skip
    return places[name]() if name in places else getattr(file, name)


@pytest.mark.parametrize("name", PRINTED)
def test_numbers_are_those_that_are_printed(name: str) -> None:
    recipe = load_recipe(name)
    for key, printed in PRINTED[name].items():
        expected = pytest.approx(printed, rel=1e-12) if isinstance(printed, float) else printed
        assert number(recipe, key) == expected, key


def test_no_recipe_is_left_out() -> None:
    assert {*PRINTED, *DIGITS} == {path.stem for path in shipped("recipes").glob("*.yaml")}


@pytest.mark.parametrize("name", PRINTED)
def test_a_recipe_names_its_paper(name: str) -> None:
    paper = load_recipe(name).file.paper
    assert paper["title"]
    assert len(paper["arxiv"]) == 10


# ---------------------------------------------------------------- losses

SUMS: dict[str, dict[str, float]] = {
    "deit_hard": {"labels": 1 - 0.5, "teacher": 0.5},
    "deit_soft": {"labels": 1 - 0.1, "teacher": 0.1},
    "levit": {"labels": 1 - 0.5, "teacher": 0.5},
    "visual_transformer_distilled": {"labels": 0.2, "teacher": 0.8},
    "token_labeling": {"tokens": 1},
    "patch_diversity": {"labels": 1, "cosine": 1, "contrastive": 1, "mixing": 1},
    "patch_diversity_official": {"labels": 1, "contrastive": 1, "mixing": 1},
    "attention_cosine": {"labels": 1, "attention": 0.1},
    "digits_distilled": {"labels": 0.5, "teacher": 0.5},
    "digits_token_labels": {"tokens": 1},
    "digits_patch_diversity": {"labels": 1, "cosine": 1, "contrastive": 1, "mixing": 1},
}
"""The weights of what is summed; other recipes have the labels alone."""


@pytest.mark.parametrize("name", [*PRINTED, *DIGITS])
def test_losses_are_summed_as_the_authors_do(name: str) -> None:
    losses = load_recipe(name).file.losses
    assert {key: loss.weight for key, loss in losses.items()} == SUMS.get(name, {"labels": 1})


def test_teachers() -> None:
    hard, soft = (load_recipe(name).file.losses for name in ("deit_hard", "deit_soft"))
    assert hard["labels"] == CrossEntropy(output="cls", weight=0.5)
    teacher = "timm:regnety_160.deit_in1k"
    assert hard["teacher"] == Distillation(teacher=teacher, weight=0.5)
    assert soft["teacher"] == Distillation(teacher=teacher, kind="soft", temperature=3.0, weight=0.1)
    assert load_recipe("levit").file.losses == hard
    by_fbnet = load_recipe("visual_transformer_distilled").file.losses["teacher"]
    assert (by_fbnet.teacher, by_fbnet.kind, by_fbnet.output) == ("timm:fbnetv3_g.ra2_in1k", "soft", "logits")


def test_forms_of_losses() -> None:
    binary = load_recipe("deit3").file.losses["labels"]
    assert (binary.type, binary.whole) == ("binary_cross_entropy", True)
    paper, official = (load_recipe(f"patch_diversity{end}").file.losses for end in ("", "_official"))
    assert {paper[name].kind for name in ("contrastive", "mixing")} == {"paper"}
    assert {official[name].kind for name in ("contrastive", "mixing")} == {"official"}
    assert (paper["cosine"].absolute, paper["cosine"].diagonal) == (True, False)
    tokens = load_recipe("token_labeling").file.losses["tokens"]
    assert (tokens.token_weight, tokens.class_weight, tokens.smoothing, tokens.ground_truth) == (0.5, 1, 0.1, False)
    assert load_recipe("attention_cosine").file.losses["attention"].count == 12


@pytest.mark.parametrize(("name", "mix"), [
    ("deit", MixupCutmix(mixup=0.8, cutmix=1.0)),
    ("simple_vit", RolledMixup(alpha=0.2)),
    ("token_labeling", MixToken(alpha=1.0)),
    ("patch_diversity", MixupCutmix(mixup=0.0, cutmix=1.0)),
    ("patch_diversity_official", Regions(before=MixupCutmix(mixup=0.0, cutmix=1.0))),
    ("visual_transformer", None),
])  # fmt: skip
def test_ways_to_mix(name: str, mix: Any) -> None:
    assert load_recipe(name).file.mix == mix


def test_crops() -> None:
    assert load_recipe("simple_vit").file.augment.crop.scale == [0.05, 1]
    assert load_recipe("cct_cifar").file.augment.crop.scale == [0.8, 1]
    assert load_recipe("deit").file.augment.crop.scale == [0.08, 1]
