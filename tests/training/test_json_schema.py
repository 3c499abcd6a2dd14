"""The JSON schema of recipes: what it accepts, what it marks, and that it describes every key."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.validate.test_json_schema import described
from vitdsl.resolve.files import shipped
from vitdsl.syntax.source import read, read_file
from vitdsl.training.json_schema import recipe_schema
from vitdsl.training.kinds import LOSSES

SCHEMA = recipe_schema()
BASE = "epochs: 3\nbatch: 8\noptimizer: {learning_rate: 1e-3}\n"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    return jsonschema.Draft7Validator(SCHEMA)


@pytest.mark.parametrize("path", sorted(shipped("recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_accepted(validator: jsonschema.Draft7Validator, path: Path) -> None:
    validator.validate(read_file(path))


GOOD = [
    BASE,
    BASE + "vars: {n: 3}\nclip: $n\nmix: none\naverage: none",
    BASE + "mix: rolled_mixup\naverage: 0.9\nlosses: {a: cross_entropy, b: none}",
    BASE + "augment: {crop: none, policy: null}\naverage: {decay: 0.9, warmup: true}",
    "extends: deit\noptimizer: {weight_decay: 0.1}\nmix: {mixup: 0}\nlosses: {labels: {weight: 0.5}}",
    "extends: deit_hard\nlosses: {teacher: {type: distillation, kind: soft}}\nset: {optimizer.type: lamb}",
    BASE + "mix: {type: regions, before: {type: mixup_cutmix, mixup: 0}}",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_recipes_say_is_accepted(validator: jsonschema.Draft7Validator, text: str) -> None:
    validator.validate(read(text, "recipe"))


BAD = {
    "a key that is none": BASE + "epoch: 3",
    "a key that is missing": "epochs: 3\nbatch: 8",
    "a rate that is missing": "epochs: 3\nbatch: 8\noptimizer: {weight_decay: 0.1}",
    "a value out of bounds": "extends: deit\nepochs: 0",
    "a loss that is none": BASE + "losses: {a: cross_entrpy}",
    "a field of another loss": BASE + "losses: {a: {type: cross_entropy, teacher: x}}",
    "a field of no loss": BASE + "losses: {a: {wieght: 1}}",
    "a word that is none": BASE + "schedule: {type: cosin}",
    "a kind that is none": BASE + "augment: {crop: {type: square}}",
    "a spec": "stages: [{body: []}]\nhead: {pool: mean}",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_marked(validator: jsonschema.Draft7Validator, text: str) -> None:
    assert list(validator.iter_errors(read(text, "recipe")))


def test_every_key_is_described() -> None:
    found = dict(described(SCHEMA))
    assert len(found) > 80
    assert [path for path, is_described in found.items() if not is_described] == []
    text = json.dumps(SCHEMA)
    assert all(f'"const": "{name}"' in text for name in LOSSES)
    assert "the share of a label that is spread over all classes." in text
    assert "$defs" not in text
