"""Any field of any part with any value of its type, and files of any stages, heads and defines.

A spec is refused at a place, or it is what its graph says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import pytest
import torch

import vitdsl
from tests.hybrids import fields, files
from tests.hybrids.checks import check_dump, check_text
from tests.hybrids.pen import Pen
from tests.meta import Shapes
from vitdsl.cli.show import written_out
from vitdsl.spec import Spec

OPERATORS = 25
"""At least so many are met in what is accepted."""


def check(
    draw: Callable[[Pen], dict[str, Any]], judge: Callable[[Spec], Any], least: float, seed: int, count: int
) -> None:
    """Draws and judges so many specs; at least this share is accepted, for what is drawn fits by chance alone."""
    accepted, operators = 0, set[str]()
    for number in range(count):
        raw = draw(Pen(Random(f"{seed} {number}")))
        with noted(raw):
            spec = read(raw)
            if spec is not None:
                judge(spec)
                check_meta(spec)
                accepted += 1
                operators |= {node.type for node in spec.analyze().nodes()}
    assert accepted >= least * count
    assert len(operators) >= OPERATORS


@contextmanager
def noted(raw: Any) -> Iterator[None]:
    """Whatever is raised says what was drawn."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"drawn: {raw}")
        raise


def read(raw: dict[str, Any]) -> Spec | None:
    """The spec, with its graph made, or None where it is refused, each problem at its place."""
    try:
        spec = vitdsl.load(raw)
        spec.graph()
    except vitdsl.SpecError as error:
        problems = error.problems
    else:
        return spec
    assert problems
    assert all(problem.path or problem.mark for problem in problems), problems
    return None


def check_meta(spec: Spec) -> None:
    """The module has the parameters of the graph, and runs, also in parts; nothing is computed."""
    model = vitdsl.build(spec, device="meta").eval()
    assert sum(p.numel() for p in model.parameters()) == spec.analyze().trainable_params
    images = torch.empty(2, 3, 16, 16, device="meta")
    with torch.no_grad(), Shapes():
        shape = model(images).shape
        assert model.forward_head(model.forward_features(images)).shape == shape
        if model.feature_info:
            _, maps = model.forward_intermediates(images)
            assert [each.shape[1] for each in maps] == [info["num_chs"] for info in model.feature_info]
        model.train().forward_head(model.forward_features(images))


def test_any_field() -> None:
    check(fields.spec, check_text, 0.2, 0, 400)


def check_file(spec: Spec) -> None:
    """Expanded too, where that can be written: a late value may read the feature that enters a form or a define."""
    check_dump(spec)
    with suppress(vitdsl.SpecError):
        written_out(spec)


def test_any_file() -> None:
    check(files.spec, check_file, 0.1, 0, 400)


@pytest.mark.full
def test_any_field_often() -> None:
    check(fields.spec, check_text, 0.2, 1, 4000)


@pytest.mark.full
def test_any_file_often() -> None:
    check(files.spec, check_file, 0.1, 1, 4000)
