"""Mixers on pixels are found, and only they."""

import pytest

import vitdsl
from tests.zoo.specs import NAMES
from vitdsl.graph.pixels import mixers_on_pixels

PATCH = {"tokenizer": {"type": "patch", "size": 4, "dim": 16}}


def found(*stages):
    spec = {"name": "s", "input": {"size": 16, "channels": 4}, "stages": list(stages), "head": {"pool": "mean"}}
    return mixers_on_pixels(vitdsl.load(spec).graph())


@pytest.mark.parametrize("mixer", [
    {"type": "global", "heads": 2}, {"type": "performer", "heads": 2}, {"type": "lowrank", "rank": 2, "heads": 2},
    {"type": "depthwise", "heads": 2}, {"type": "talking_heads", "heads": 2},
    {"type": "subsampled", "stride": 2, "heads": 2},
])  # fmt: skip
def test_mixers_of_all_pixels(mixer):
    assert found({"depth": 2, "block": [{"mixer": mixer}]}) == [("stages.0.block.0.0.mixer", 256)]
    assert found({"body": ["norm", {"body": [{"mixer": mixer}]}]}) == [("stages.0.body.1.0.mixer", 256)]
    assert found({**PATCH, "body": [{"mixer": mixer}]}) == []
    assert found({"tokenizer": {"conv": {"dim": 8}}, "body": [{"mixer": mixer}]}) == []
    assert found({"body": [{"conv": {"kernel": 2, "stride": 2}}, {"mixer": mixer}]}) == []


def test_windows_of_pixels_are_no_fault():
    assert found({"body": [{"mixer": {"type": "windowed", "windows": 4, "heads": 2}}]}) == []


@pytest.mark.parametrize("name", NAMES)
def test_shipped_specs_have_none(name):
    assert mixers_on_pixels(vitdsl.load(name).graph()) == []
