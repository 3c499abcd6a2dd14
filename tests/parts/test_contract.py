"""What every primitive promises, over its own examples; no part has code here but in the list of what is not seen."""

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.parts.reader import make
from vitdsl import parts
from vitdsl.features import Feature
from vitdsl.parts import registry
from vitdsl.parts.base import Primitive

BATCH = 2
OURS = {name: registry.part_class(name) for name, home in registry.files().items() if ".primitives." in home}
PRIMITIVES = {name: cls for name, cls in OURS.items() if cls is not None and issubclass(cls, Primitive)}
CASES = [
    pytest.param(cls, fields, features, id=f"{name}-{number}")
    for name, cls in PRIMITIVES.items()
    for number, (fields, features) in enumerate(cls.examples())
]
over_examples = pytest.mark.parametrize(("cls", "fields", "features"), CASES)
Features = tuple[Feature, ...]
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def _kernels_by_position(op: Any, x: Feature) -> int:
    return op.infer(x).size * op.conv.kernel[0] * op.conv.kernel[1]


UNSEEN: dict[str, Callable[..., int]] = {
    # generated kernels are applied by products of elements, no convolution
    "PositionDepthwise2d": _kernels_by_position,
}
"""Multiply-adds that FlopCounterMode cannot see, by layer."""


def layouts(op: Primitive, features: Sequence[Feature]) -> list[str]:
    """`tokens` or `map` for each input; a feature with a grid alone may be either."""
    found = []
    extras = getattr(op, "extras", ())
    for place, feature in enumerate(features):
        if place >= len(features) - len(extras):
            found.append(extras[place - len(features) + len(extras)])
        elif place == 0 and getattr(op, "maps_first", False):
            found.append("map")
        elif op.layout == "any":
            found.append("map" if feature.grid and not feature.tokens else "tokens")
        else:
            found.append(op.layout)
    return found


def shape(feature: Feature, layout: str, batch: int = BATCH) -> tuple[int, ...]:
    if layout in ("map", "bias"):
        assert feature.grid is not None
        return (1 if layout == "bias" else batch, feature.dim, *feature.grid)
    return (batch, feature.num_tokens, feature.dim)


def values(feature: Feature, layout: str, device: str) -> Tensor:
    if layout == "mask":
        assert feature.grid is not None
        seen = torch.ones(BATCH, *feature.grid, dtype=torch.bool, device=device)
        seen[1, :, 1] = False
        return seen
    generator = torch.Generator().manual_seed(11)
    return torch.randn(shape(feature, layout), generator=generator, dtype=torch.float64).to(device)


def run(op: Primitive, module: nn.Module, features: Features, device: str) -> Tensor:
    places = layouts(op, features)
    tensors = [values(x, layout, device) for x, layout in zip(features, places, strict=True)]
    extras: tuple[str, ...] = getattr(op, "extras", ())
    plain = len(tensors) - len(extras)
    return module(*tensors[:plain], **dict(zip(extras, tensors[plain:], strict=True)))


def build(op: Primitive, features: Features, device: str) -> nn.Module:
    with torch.device(device):
        return op.build(*features).double()


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
    op = make(cls, **fields)
    found = run(op, build(op, features, "meta").eval(), features, "meta")
    entered = layouts(op, features)[0] if features else op.layout
    layout = entered if op.gives == "same" else op.gives
    assert found.shape == shape(op.infer(*features), layout, BATCH if features else 1)


@over_examples
def test_parameters_number_what_cost_says(cls: type[Primitive], fields: dict[str, Any], features: Features) -> None:
    op = make(cls, **fields)
    module = build(op, features, "meta")
    trainable = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    stored = {name: t.numel() for name, t in module.state_dict().items() if name.rpartition(".")[2] not in STATISTICS}
    cost = op.cost(*features)
    assert sum(stored.values()) == cost.params
    assert sum(stored[name] for name in trainable) == cost.trainable_params


@over_examples
def test_multiply_adds_number_what_cost_says(cls: type[Primitive], fields: dict[str, Any], features: Features) -> None:
    op = make(cls, **fields)
    module = build(op, features, "meta").eval()
    counter = FlopCounterMode(display=False)
    with counter:
        run(op, module, features, "meta")
    unseen = UNSEEN.get(type(module).__name__)
    seen = op.cost(*features).macs - (unseen(op, *features) if unseen else 0)
    assert counter.get_total_flops() == 2 * seen * (BATCH if features else 1)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@over_examples
def test_values_are_finite(cls: type[Primitive], fields: dict[str, Any], features: Features, training: bool) -> None:
    op = make(cls, **fields)
    found = run(op, build(op, features, "cpu").train(training), features, "cpu")
    assert found.isfinite().all()
    assert found.dtype == torch.float64


@over_examples
def test_tokens_and_maps_are_treated_alike(cls: type[Primitive], fields: dict[str, Any], features: Features) -> None:
    op = make(cls, **fields)
    if op.layout != "any":
        return
    (feature,) = features
    module = build(op, features, "cpu").eval()
    if any(p.requires_grad for p in module.parameters()):
        with torch.no_grad():
            for number, parameter in enumerate(module.parameters()):
                parameter.copy_(torch.linspace(0.5, 2 + number, parameter.numel()).view_as(parameter))
    x_bnc = values(feature, "tokens", "cpu")
    by_tokens, by_map = module(x_bnc), module(x_bnc.transpose(1, 2).unsqueeze(3))
    if op.gives == "same":
        by_map = by_map.flatten(2).transpose(1, 2)
    torch.testing.assert_close(by_map, by_tokens, rtol=0, atol=1e-12)
