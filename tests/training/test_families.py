"""Families of the zoo at a tiny size, trained on digits by the command that a user would type: each learns."""

import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.training.families import FAMILIES
from tests.training.small_runs import start

LEAST = 0.9
RECIPE = {"epochs": 12, "optimizer.learning_rate": 3e-3}
LONGER = {**RECIPE, "epochs": 24, "augment.crop.padding": 1}
SLOW = {"vit_tiny16", "deit_tiny_distilled", "cait_xxs24", "pit_ti"}
"""Patches that nothing local mixes learn digits later."""


def options(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    for path, value in values.items():
        yield from (name, f"{path}={json.dumps(value)}")


def test_a_dozen_families_and_more_are_tried():
    assert len(FAMILIES) >= 12


@pytest.mark.full
@pytest.mark.parametrize("name", FAMILIES)
def test_learns(name, tmp_path):
    recipe = LONGER if name in SLOW else RECIPE
    changes = [*options("--set", FAMILIES[name]), *options("--recipe-set", recipe)]
    process = start(tmp_path, "train", name, "--recipe", "digits", "--data", "digits", "-o", "run", *changes)
    _, said = process.communicate()
    assert process.returncode == 0, said
    with (tmp_path / "run" / "history.csv").open() as file:
        accuracies = [float(row["accuracy"]) for row in csv.DictReader(file)]
    assert len(accuracies) == recipe["epochs"]
    assert accuracies[-1] >= LEAST, accuracies
