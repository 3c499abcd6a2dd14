"""Recipes are read as specs are: extended, set, with variables, and with all errors at their places."""

from typing import Any

import pytest

from vitdsl.errors import SpecError
from vitdsl.resolve.files import shipped
from vitdsl.training.kinds import BinaryCrossEntropy, CrossEntropy, MixupCutmix
from vitdsl.training.recipe import Recipe, load_recipe

SMALL = """
epochs: 10
batch: 8
optimizer: {learning_rate: 1e-3}
"""


def test_what_a_recipe_does_not_say_is_usual() -> None:
    recipe = load_recipe(SMALL)
    assert recipe.file.losses == {"labels": CrossEntropy()}
    assert recipe.file.mix is recipe.file.average is recipe.file.clip is None
    assert recipe.file.optimizer.type == "adamw"


@pytest.mark.parametrize("path", sorted(shipped("recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_right_and_dump_as_themselves(path: Any) -> None:
    recipe = load_recipe(path.stem)
    assert recipe.name == path.stem
    assert load_recipe(recipe.dump()).file == recipe.file


def test_a_recipe_extends_another_by_key(tmp_path: Any) -> None:
    (tmp_path / "base.yaml").write_text(SMALL + "mix: mixup_cutmix\naverage: 0.9\nlosses: {labels: cross_entropy}\n")
    own = tmp_path / "own.yaml"
    own.write_text("extends: base\nvars: {n: 20}\nepochs: $n\nmix: {mixup: 0.2}\naverage: {warmup: true}\n"
                   "losses: {labels: {weight: 0.5}}\nset: {optimizer.weight_decay: 0.1}\n")  # fmt: skip
    file = load_recipe(own).file
    assert (file.epochs, file.batch, file.optimizer.weight_decay) == (20, 8, 0.1)
    assert file.mix == MixupCutmix(mixup=0.2)
    assert (file.average.decay, file.average.warmup) == (0.9, True)
    assert file.losses == {"labels": CrossEntropy(weight=0.5)}
    other = load_recipe(own, set={"losses.labels": {"type": "binary_cross_entropy"}, "mix": None}).file
    assert other.losses == {"labels": BinaryCrossEntropy()}
    assert other.mix is None


@pytest.mark.parametrize(("edit", "at", "message"), [
    ({"epochs": 0}, "epochs", "`epochs` must be at least 1"),
    ({"epoch": 3}, "epoch", "unknown key `epoch`"),
    ({"losses": {}}, "losses", "`losses` must hold a loss"),
    ({"losses": {"a": "cross_entrpy"}}, "losses.a", "there is no loss `cross_entrpy`"),
    ({"losses": {"a": {"type": "distillation"}}}, "losses.a.teacher", "`teacher` is missing"),
    ({"losses.a": {"type": "distillation", "teacher": "x", "temperature": 2}}, "losses.a.temperature", "does nothing"),
    ({"mix": {"type": "mixup_cutmix", "mixup": 0, "cutmix": 0}}, "mix.mixup", "nothing is mixed"),
    ({"mix": "mixup"}, "mix", "there is no way to mix `mixup`"),
    ({"augment": {"crop": {"type": "random_resized", "scale": [1, 0.5]}}}, "augment.crop.scale", "must be the least"),
    ({"augment": {"flip": 2}}, "augment.flip", "`flip` must be at most 1"),
    ({"optimizer": {"learning_rate": 0}}, "optimizer.learning_rate", "must be more than 0"),
    ({"optimizer": {"learning_rate": 1, "betas": [0.9]}}, "optimizer.betas", "must be two numbers"),
    ({"schedule": {"warmup": 20}}, "schedule", "take 20 epochs, but there are 10"),
    ({"schedule": {"warmup": 1, "warmup_steps": 3}}, "schedule.warmup_steps", "both are given"),
    ({"schedule": {"factor": 0.5}}, "schedule.factor", "does nothing where `type` is cosine"),
    ({"schedule": {"type": "steps", "factor": 2}}, "schedule.factor", "`factor` must be at most 1"),
    ({"mix_epochs": 0}, "mix_epochs", "`mix_epochs` must be at least 1"),
    ({"clip_by": "norms"}, "clip_by", "must be"),
    ({"mix": {"type": "regions", "before": "regions"}}, "mix.before", "there is no way to mix before regions"),
    ({"average": 1.5}, "average", "must be less than 1"),
    ({"epochs": "$(dim * 2)"}, "epochs", "reads nothing but its own `vars`"),
    ({"epochs": {"choose": [1, 2]}}, "epochs", "it has no holes"),
])  # fmt: skip
def test_what_is_wrong_is_said_at_its_place(edit: dict[str, Any], at: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_recipe(SMALL, set=edit)
    (problem, *_) = caught.value.problems
    assert problem.path == at
    assert message in problem.message
    assert problem.mark is not None


@pytest.mark.parametrize(("source", "message"), [
    ("digts", "there is no recipe `digts`"),
    ("- 1\n- 2\n", "a recipe is a mapping with `epochs`, `batch` and an `optimizer`"),
    ("stages: []\nhead: {}\n", "this is a spec, not a recipe"),
    ("extends: nothing_like_it\n", "there is no recipe `nothing_like_it`"),
])  # fmt: skip
def test_what_is_no_recipe_is_refused(source: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_recipe(source)


def test_all_faults_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        load_recipe("epochs: 0\nbatch: many\nlosses: {a: b}\n")
    assert len(caught.value.problems) == 4


def test_names_and_papers_do_not_change_a_training() -> None:
    first: Recipe = load_recipe(SMALL)
    assert first.said == load_recipe(f"name: other\npaper: {{title: T}}\n{SMALL}").said
    assert first.said != load_recipe(SMALL, set={"epochs": 11}).said
