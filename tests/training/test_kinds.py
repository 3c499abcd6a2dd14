"""What a recipe names by `type`: every kind has a docstring for each of its fields, and says what it needs."""

import re

import pytest

from vitdsl.parts.base import Fields
from vitdsl.training.kinds import CROPS, LOSSES, MIXES, Loss
from vitdsl.training.recipe import Augment, Average, Optimizer, RecipeFile, Schedule

KINDS: dict[str, type[Fields]] = {**CROPS, **MIXES, **LOSSES}
FILES = {cls.__name__: cls for cls in (Augment, Average, Optimizer, RecipeFile, Schedule)}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_found_by_its_type(name: str) -> None:
    assert KINDS[name].fields["type"].default == name


OF_ALL_FILES = ("extends", "set", "vars")
"""Keys that are no fields of a recipe: they are gone when it is read."""


@pytest.mark.parametrize("name", [*KINDS, *FILES])
def test_every_field_is_described(name: str) -> None:
    cls = (KINDS | FILES)[name]
    assert cls.__doc__
    described = set(re.findall(r"^\s{4,8}(\w+):", cls.__doc__, re.MULTILINE))
    known = set(re.findall(r"^\s{4,8}(\w+):", "".join(base.__doc__ or "" for base in cls.__mro__), re.MULTILINE))
    assert described - {"Attributes"} <= {*cls.fields, *cls.fields_by_key, *(OF_ALL_FILES if name in FILES else ())}
    assert set(cls.fields) - {"type"} <= known


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_says_what_it_reads(name: str) -> None:
    cls = LOSSES[name]
    given = {"teacher": "deit_tiny"} if "teacher" in cls.fields else {}
    loss: Loss = cls(**given)
    points = {getattr(loss, field) for field in ("point", "first", "last") if field in cls.fields}
    assert set(loss.points_needed()) == points
    outputs = {getattr(loss, field) for field in ("output", "class_output") if field in cls.fields}
    assert set(loss.outputs_needed()) == outputs - {None}
