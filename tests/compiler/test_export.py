"""torch.compile without graph breaks, torch.export with any batch, and inductor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import vitdsl
from tests.compiler.small import FEW, SMALL, photos, small
from tests.zoo.specs import all_of_them
from vitdsl.compiler.model import VisionModel

LIMIT = 1e-9
INDUCED = ["deit_tiny_distilled", "cvt13", "t2t_vit_14", "refiner_vit_s", "swin_tiny"]
"""Plain attention, convolutions with norms, kernels, worked maps, windows."""

ANY_SIZE = all_of_them(
    ["deit_tiny_distilled"],
    ["deit_tiny_distilled", "cvt13", "convnext_tiny", "resnet18", "pvt_tiny", "cpvt_tiny"],
)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def agree(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Float64 results are equal up to the order of sums."""
    assert found.dtype == expected.dtype == torch.float64
    assert found.shape == expected.shape
    assert (found - expected).abs().max().item() <= LIMIT * max(1.0, expected.abs().max().item())


def check_compile(model: VisionModel) -> None:
    """In one graph."""
    x = photos(model).double()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        agree(compiled(x), model(x))


def check_export(model: VisionModel) -> None:
    """A program of a dynamic batch runs at 1 and at 3."""
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(model, (photos(model, 2).double(),), dynamic_shapes=({0: batch},))
    exported = program.module()
    with torch.no_grad():
        for count in (1, 3):
            x = photos(model, count).double()
            agree(exported(x), model(x))


@pytest.mark.parametrize("name", all_of_them(FEW, [*SMALL]))
def test_compiles_whole(name: str) -> None:
    check_compile(small(name).double())


@pytest.mark.parametrize("name", all_of_them(FEW, [*SMALL]))
def test_exports_with_any_batch(name: str) -> None:
    check_export(small(name).double())


@pytest.mark.parametrize("name", ANY_SIZE)
def test_exports_with_any_size(name: str) -> None:
    """Learned positions are resized in the program, grids are read from the image."""
    spec = vitdsl.load(name, {"input.size": 64, "classes": 20, **SMALL.get(name, {})})
    model = vitdsl.build(spec).double().eval()
    batch, height, width = (torch.export.Dim(axis, min=least, max=8) for axis, least in (("b", 1), ("h", 2), ("w", 2)))
    sizes = {0: batch, 2: 32 * height, 3: 32 * width}
    example = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    exported = torch.export.export(model, (example,), dynamic_shapes=(sizes,)).module()
    with torch.no_grad():
        for shape in ((1, 3, 64, 64), (3, 3, 128, 96)):
            x = torch.rand(shape, dtype=torch.float64)
            agree(exported(x), model(x))


@pytest.mark.full
@pytest.mark.parametrize("name", SMALL)
def test_compiles_and_exports_at_its_own_size(name: str) -> None:
    model = vitdsl.build(name).double().eval()
    check_compile(model)
    check_export(model)


@pytest.mark.parametrize("name", ["deit_tiny_distilled", "refiner_vit_s"])
def test_training_compiles_whole(name: str) -> None:
    """Training returns a dict; stochastic depth is off, as both runs would draw other numbers."""
    model = vitdsl.build(vitdsl.load(name, {**SMALL[name], "classes": 20, "drop_path": None})).double().train()
    x = photos(model).double()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    found, expected = compiled(x), model(x)
    assert list(found) == list(expected)
    for key in expected:
        agree(found[key], expected[key])


@pytest.mark.full
@pytest.mark.parametrize("name", INDUCED)
def test_inductor_agrees(name: str) -> None:
    """Needs a C++ compiler."""
    model = small(name).double()
    x = photos(model).double()
    with torch.no_grad():
        agree(torch.compile(model, fullgraph=True)(x), model(x))
