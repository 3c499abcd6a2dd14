"""What every part promises, over its own examples; no part has code here but in the list of what is not seen."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from vitdsl import parts, testing
from vitdsl.features import Feature
from vitdsl.parts import registry
from vitdsl.parts.base import Primitive
from vitdsl.testing import STATISTICS, make

OURS = {name: registry.part_class(name) for name, home in registry.files().items() if ".primitives." in home}
PRIMITIVES = {name: cls for name, cls in OURS.items() if cls is not None and issubclass(cls, Primitive)}
CASES = [
    pytest.param(cls, fields, features, id=f"{name}-{number}")
    for name, cls in PRIMITIVES.items()
    for number, (fields, features) in enumerate(cls.examples())
]
over_examples = pytest.mark.parametrize(("cls", "fields", "features"), CASES)
Features = tuple[Feature, ...]
__all__ = ["STATISTICS", "UNSEEN"]


def _kernels_by_position(op: Any, x: Feature) -> int:
    return op.infer(x).size * op.kernel[0] * op.kernel[1]


UNSEEN: dict[str, Callable[..., int]] = {
    # generated kernels are applied by products of elements, no convolution
    "PositionDepthwise2d": _kernels_by_position,
}
"""Multiply-adds that FlopCounterMode cannot see, by layer."""


@pytest.mark.parametrize("name", PRIMITIVES)
def test_has_examples(name: str) -> None:
    assert PRIMITIVES[name].examples(), f"{name} has no examples()"


def test_every_primitive_is_registered() -> None:
    folder = Path(inspect.getfile(parts)).parent / "primitives"
    modules = [import_module(f"vitdsl.parts.primitives.{path.stem}") for path in folder.glob("*.py")]
    defined = {
        value for module in modules for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Primitive) and value.__module__ == module.__name__
    }  # fmt: skip
    assert defined <= set(PRIMITIVES.values())
    assert len(defined) > 30


@over_examples
def test_output_has_the_inferred_shape(cls: type[Primitive], fields: dict[str, Any], features: Features) -> None:
    testing.check_shape(make(cls, **fields), features)


@over_examples
def test_parameters_number_what_cost_says(cls: type[Primitive], fields: dict[str, Any], features: Features) -> None:
    testing.check_parameters(make(cls, **fields), features)


@over_examples
def test_multiply_adds_number_what_cost_says(cls: type[Primitive], fields: dict[str, Any], features: Features) -> None:
    op = make(cls, **fields)
    layer = type(testing.built(op, features, "meta")).__name__
    testing.check_macs(op, features, UNSEEN.get(layer))


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@over_examples
def test_values_are_finite(cls: type[Primitive], fields: dict[str, Any], features: Features, training: bool) -> None:
    testing.check_values(make(cls, **fields), features, (training,))


@over_examples
def test_tokens_and_maps_are_treated_alike(cls: type[Primitive], fields: dict[str, Any], features: Features) -> None:
    testing.check_layouts(make(cls, **fields), features)
