"""The evaluation that trains: its fields, its identity, and schedules that rungs share."""

import json

import pytest

from tests.search.trainings import RULE, SPEC, trained
from vitdsl.errors import Refusal, SpecError
from vitdsl.search.candidate import Candidate
from vitdsl.search.evaluation import read_evaluation, with_defaults
from vitdsl.search.training import identity
from vitdsl.spec import load

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"classes": 1000}, "has 10 classes, but the spec has 1000"),
     ({"input.mean": "imagenet"}, "`mean` must have as many numbers as the image has channels .1., but has 3"),
     ({"input.channels": 2, "input.mean": "half", "input.std": "half"}, "a photo has 1, 3 or 4 channels")],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(changes, said):
    with pytest.raises(SpecError, match=said):
        trained(Candidate(load(SPEC, set=changes)), epochs=1)


def test_rungs_alike_share_a_schedule():
    rungs = with_defaults([read_evaluation({**RULE, **each}) for each in (
        {"epochs": 2}, {"epochs": 8}, {"epochs": 3, "batch": 16}, {"epochs": 1, "schedule": 5},
    )])  # fmt: skip
    assert [rung.length for rung in rungs] == [8, 8, 3, 5]


@pytest.mark.parametrize(
    ("fields", "at", "said"),
    [({"epochs": 3, "schedule": 2}, ("schedule",), "`schedule` must be at least `epochs` (3), but is 2"),
     ({"epochs": 0}, ("epochs",), "`epochs` must be at least 1, but is 0"),
     ({"epochs": 1, "validation": 1.0}, ("validation",), "`validation` must be less than 1, but is 1.0"),
     ({"epochs": 1, "learning_rate": 0}, ("learning_rate",), "`learning_rate` must be more than 0, but is 0")],
)  # fmt: skip
def test_fields_that_do_not_fit(fields, at, said):
    with pytest.raises(Refusal) as caught:
        read_evaluation({"type": "train", **fields})
    assert [(fault.at, fault.message) for fault in caught.value.items] == [(at, said)]


def test_the_identity_names_all_that_a_training_hangs_on():
    rule = read_evaluation({**RULE, "epochs": 2, "schedule": 9})
    said = json.loads(identity(Candidate(load(SPEC), seed=4), rule))
    assert said["schedule"] == 9
    assert said["seed"] == 4
    assert said["spec"] == load(SPEC).hash
    assert "epochs" not in said
