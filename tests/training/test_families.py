"""Families of the zoo at a tiny size, trained on digits by the command that a user would type: each learns."""

import csv
import json

import pytest

from tests.training.families import FAMILIES
from tests.training.small_runs import start

LEAST = 0.9
RECIPE = ("--recipe", "digits", "--recipe-set", "epochs=12", "--recipe-set", "optimizer.learning_rate=3e-3")


def test_a_dozen_families_and_more_are_tried():
    assert len(FAMILIES) >= 12


@pytest.mark.full
@pytest.mark.parametrize("name", FAMILIES)
def test_learns(name, tmp_path):
    changes = [part for path, value in FAMILIES[name].items() for part in ("--set", f"{path}={json.dumps(value)}")]
    process = start(tmp_path, "train", name, *RECIPE, "--data", "digits", "-o", "run", *changes)
    _, said = process.communicate()
    assert process.returncode == 0, said
    with (tmp_path / "run" / "history.csv").open() as file:
        accuracies = [float(row["accuracy"]) for row in csv.DictReader(file)]
    assert len(accuracies) == 12
    assert accuracies[-1] >= LEAST, accuracies
