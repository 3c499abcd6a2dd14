"""What a file gives, beside what the model gives."""

import math

import pytest
import torch

from tests.exporting.models import model_of, spec_of
from vitdsl.errors import InputError
from vitdsl.exporting.checking import compare, difference, example, tolerance

SHAPES = [(2, 3, 32, 32), (1, 3, 48, 64)]


def test_the_model_agrees_with_itself(model):
    inferred = torch.inference_mode()(lambda images: model(images))
    assert [(check.shape, check.difference) for check in compare(model, inferred, SHAPES, "torch")] == [
        (shape, 0.0) for shape in SHAPES
    ]


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda y: y * 1.01, "off by 1.0e-02 of the largest output, for images of 2x3x32x32; up to 1e-04 is rounding"),
    (lambda y: y + math.nan, "off by nan"), (lambda y: y[:1], "off by inf"), (lambda y: y.double(), "off by inf"),
])  # fmt: skip
def test_what_differs_is_refused(model, wrong, said):
    with pytest.raises(InputError) as error:
        compare(model, lambda images: wrong(model(images)).detach(), SHAPES, "a runner")
    assert f"in a runner, the exported file is {said}" in str(error.value)
    assert "report it with the spec" in str(error.value)


def test_rounding_is_none(model):
    (check,) = compare(model, lambda images: model(images).detach() * (1 + 1e-5), SHAPES[:1], "a runner")
    assert 0 < check.difference < tolerance(torch.float32)


def test_a_model_that_is_not_finite_is_refused():
    model = model_of(spec_of())
    torch.nn.init.constant_(model.stages[0].tokens.cls, math.inf)  # type: ignore[union-attr, index]
    with pytest.raises(InputError, match="a random image of 32x32 is not finite"):
        compare(model, model, SHAPES, "torch")


def test_a_difference_is_relative_where_there_is_something():
    zeros = torch.zeros(2)
    assert difference(zeros, zeros) == 0
    assert difference(zeros + 1, zeros) == 1
    assert difference(torch.tensor([6.0, 1.0]), torch.tensor([8.0, 1.0])) == 0.25


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_images_have_the_type_of_the_model(kind):
    model = model_of(spec_of()).to(kind)
    images = example(model, SHAPES[0])
    assert images.dtype == kind
    assert torch.equal(images, example(model, SHAPES[0]))
    assert torch.finfo(kind).eps < tolerance(kind) < 0.2
