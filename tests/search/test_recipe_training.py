"""Rungs that train by a recipe: the numbers are those of `vitdsl train`, and rungs go on from one another."""

import math

import pytest
import torch

from tests.search.trainings import SPEC
from vitdsl.errors import Refusal, SpecError
from vitdsl.search.candidate import Candidate
from vitdsl.search.evaluation import read_evaluation
from vitdsl.search.file import load_search
from vitdsl.search.run import run_search
from vitdsl.spec import load
from vitdsl.training.recipe import load_recipe
from vitdsl.training.run import Hardware, train

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = {"extends": "digits", "epochs": 3, "batch": 256, "schedule": {"warmup": 1}, "mix": "mixup_cutmix"}
SMALL = {**RECIPE, "validation": 0.8}


def rung(**fields):
    return read_evaluation({"type": "train", "recipe": SMALL, **fields})


def candidate(folder=None, seed=3):
    return Candidate(load(SPEC), seed, folder)


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_a_rung_measures_what_the_command_measures(tmp_path):
    one = candidate(tmp_path / "candidate")
    found = rung().measure(one)
    result = train(load(SPEC), load_recipe(SMALL, {"seed": 3}), tmp_path / "run", hardware=Hardware(accelerator="cpu"))
    last = result.history[-1]
    assert (found["accuracy"], found["loss"]) == (last["accuracy"], last["evaluation_loss"])
    assert not one.model.training
    again = candidate(tmp_path / "candidate")
    rung().restore(again)
    assert equal(again.model.state_dict(), one.model.state_dict())


def test_rungs_go_on_from_one_another_with_the_numbers_of_one_training(tmp_path):
    whole, parts = candidate(), candidate(tmp_path)
    wanted = rung().measure(whole)
    first = rung(epochs=1).measure(parts)
    one = parts.model.state_dict()
    found = rung().measure(parts)
    assert {**found, "seconds": 0} == {**wanted, "seconds": 0}
    assert equal(parts.model.state_dict(), whole.model.state_dict())
    assert first["accuracy"] != found["accuracy"]
    retried = candidate(tmp_path)
    assert rung(epochs=1).measure(retried) == first
    rung(epochs=1).restore(retried)
    assert equal(retried.model.state_dict(), one)


def test_a_damaged_checkpoint_is_trained_anew(tmp_path):
    one = candidate(tmp_path)
    wanted = rung(epochs=1).measure(one)
    for path in tmp_path.rglob("last.ckpt"):
        path.write_bytes(b"no checkpoint")
    with pytest.warns(UserWarning, match="the training begins anew"):
        found = rung(epochs=2).measure(candidate(tmp_path))
    assert found["seconds"] > 0
    for path in tmp_path.rglob("epoch_2.safetensors"):
        path.unlink()
    assert rung(epochs=2).measure(candidate(tmp_path))["accuracy"] == found["accuracy"] != wanted["accuracy"]


def test_a_loss_that_is_not_finite_is_the_worst_measure():
    steep = {**SMALL, "optimizer": {"type": "sgd", "learning_rate": 1e30}, "clip": None}
    found = read_evaluation({"type": "train", "recipe": steep}).measure(candidate())
    assert found["accuracy"] == 0
    assert found["loss"] == math.inf


@pytest.mark.parametrize(
    ("fields", "at", "said"),
    [({"batch": 4}, ("batch",), "`batch` does nothing beside a `recipe`"),
     ({"schedule": 9}, ("schedule",), "`schedule` does nothing beside a `recipe`"),
     ({"epochs": 4}, ("epochs",), "the recipe has 3 epochs, but `epochs` is 4"),
     ({"recipe": {**SMALL, "data": None}}, (), "the recipe does not say what to train on"),
     ({"recipe": 3}, ("recipe",), "`recipe` must be a name, a path or a recipe, but is 3"),
     ({"recipe": None}, (), "`epochs` is missing")],
)  # fmt: skip
def test_fields_that_a_recipe_does_not_go_with(fields, at, said):
    with pytest.raises(Refusal) as caught:
        rung(**fields)
    (fault,) = caught.value.items
    assert fault.at == at
    assert said in fault.message


def test_a_recipe_whose_needs_a_candidate_does_not_meet_is_its_fault():
    needs = {**SMALL, "losses": {"labels": {"type": "cross_entropy", "output": "cls"}}}
    with pytest.raises(SpecError, match="reads `cls`"):
        read_evaluation({"type": "train", "recipe": needs}).measure(candidate())


SEARCH = """
name: by_recipe
space:
  input: {size: 8, channels: 1, mean: [0.5], std: [0.5], crop: 1.0}
  classes: 10
  stages:
    - tokenizer: {type: patch, size: 4, dim: {choose: [8, 16]}}
      body: [{mlp: {ratio: 1}}]
  head: {pool: mean}
objectives: accuracy
sampler: random
rungs:
  - {type: train, recipe: RECIPE, epochs: 1}
  - {type: train, recipe: RECIPE, epochs: 2}
budget: {trials: 2}
"""


def test_a_search_file_names_a_recipe_beside_it(tmp_path):
    quick = tmp_path / "quick.yaml"
    quick.write_text("extends: digits\nepochs: 2\nbatch: 256\nvalidation: 0.8\nschedule: {warmup: 1}\n")
    path = tmp_path / "search.yaml"
    path.write_text(SEARCH.replace("RECIPE", "quick.yaml"))
    search = load_search(path)
    assert [rung.last for rung in search.file.rungs] == [1, 2]
    assert "learning_rate" in search.dump()  # it is written out, as workers elsewhere need it
    assert load_search(f"{search.dump()}budget: {{trials: 2}}\n").dump() == search.dump()
    results = run_search(search, tmp_path / "out")
    assert results.complete == 2
    quick.write_text("extends: digits\nepochs: 2\nbatch: 128\nschedule: {warmup: 1}\n")
    assert load_search(path).dump() != search.dump()


@pytest.mark.parametrize(
    ("recipe", "said"),
    [("digit", "there is no recipe `digit`"), ("{extends: digits, epochs: 0}", "must be at least 1")],
)
def test_a_recipe_that_is_wrong_is_refused_at_its_place(recipe, said):
    with pytest.raises(SpecError, match=said) as caught:
        load_search(SEARCH.replace("RECIPE", recipe))
    assert caught.value.problems[0].mark is not None
