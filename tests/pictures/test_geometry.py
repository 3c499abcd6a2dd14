"""In every picture boxes, texts and lines keep apart, whatever is open."""

import random

import pytest

from tests.pictures.bodies import Models
from tests.pictures.checks import ALL, FEW, check, placed_with
from vitdsl.pictures.boxes import opened
from vitdsl.pictures.opening import open_spec
from vitdsl.spec import load


def check_spec(name):
    root = open_spec(load(name))
    every = [box for box in root.below() if box.body is not None]
    rng = random.Random(name)
    for shown in (opened(root), set(map(id, every)), {id(box) for box in every if rng.random() < 0.6}):
        check(placed_with(root, shown | {id(root)}))


@pytest.mark.parametrize("name", FEW)
def test_shipped_specs(name):
    check_spec(name)


@pytest.mark.full
@pytest.mark.parametrize("name", ALL)
def test_all_shipped_specs(name):
    check_spec(name)


@pytest.mark.parametrize("seed", range(150))
def test_any_model(seed):
    models = Models(seed)
    root, rng = models.model(), models.rng
    shown = {id(box) for box in root.below() if rng.random() < 0.7} | {id(root)}
    check(placed_with(root, shown, "x" * rng.randint(0, 40)))


def test_a_check_that_finds_nothing_is_none():
    model = placed_with(root := open_spec(load("deit_tiny")), opened(root))
    first, second = model.inner
    second.x = first.x
    with pytest.raises(AssertionError):
        check(model)
