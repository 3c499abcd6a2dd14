"""What a built model can do besides computing: copy, change types and sizes, train."""

from __future__ import annotations

import copy

import pytest
import safetensors.torch
import torch

import vitdsl
from tests.compiler.small import FEW, SMALL, assert_same, photos, small
from vitdsl.compiler.module import is_repetition
from vitdsl.layers.containers import Body
from vitdsl.layers.drop import DropPath

TEN = list(SMALL)
LAYERS = {
    "Affine", "Attend", "BatchNorm", "Conv2d", "DropPath", "Dropout", "FixedPosition", "Gather", "LayerNorm",
    "LearnedPosition", "Linear", "MaxPool2d", "OffsetBias", "Outputs", "Performer", "PoolTokens", "RelativeBias",
    "Tokens", "Resize", "Scores", "Subsample", "Unfold", "Weigh", "WindowMask", "WindowPosition",
}  # fmt: skip
"""All layer classes of the ten, but for functions of each value alone, which count as one."""
FUNCTIONS = {"GELU", "Hardswish", "QuickGelu", "ReLU", "ReLU6"}


@pytest.mark.parametrize("name", FEW)
def test_copies_are_apart(name: str) -> None:
    model = small(name)
    copied = copy.deepcopy(model)
    assert_same(model, copied)
    assert copied.spec is model.spec
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.add_(1)
    assert not any(torch.equal(a, b) for a, b in zip(model.parameters(), copied.parameters(), strict=True))


@pytest.mark.parametrize("name", FEW)
def test_safetensors_and_strict_loading(name: str) -> None:
    model = small(name)
    state = safetensors.torch.load(safetensors.torch.save(model.state_dict()))
    other = vitdsl.build(model.spec).eval()
    other.load_state_dict(state, strict=True)
    assert_same(model, other)


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_types(name: str, dtype: torch.dtype) -> None:
    model = small(name)
    with torch.no_grad():
        expected = model(photos(model))
        found = model.to(dtype)(photos(model).to(dtype))
    assert found.dtype == dtype
    assert found.isfinite().all()
    assert {tensor.dtype for tensor in model.state_dict().values() if tensor.is_floating_point()} == {dtype}
    if dtype == torch.float64:
        assert (found - expected).abs().max() <= 1e-3 * expected.abs().max()


def test_learned_positions_take_other_sizes() -> None:
    model = vitdsl.build("deit_tiny").eval()
    table = model.get_submodule("stages.0.position")
    x = torch.randn(1, 3, 160, 192)
    with torch.no_grad():
        found = model(x)
        other = vitdsl.build("deit_tiny", size=(160, 192)).eval()
        report = vitdsl.load_weights(other, model.state_dict())
        assert torch.equal(other(x), found)
    assert report.resized == ("stages.0.position.weight",)
    assert table.weight.shape == (1, 197, 192)


def test_training_outputs() -> None:
    model = small("deit_tiny_distilled")
    x = photos(model)
    trained = model.train()(x)
    assert {name: value.shape for name, value in trained.items()} == {"cls": (2, 20), "dist": (2, 20)}
    plain = vitdsl.build(model.spec, training_outputs=False)
    assert isinstance(plain.train()(x), torch.Tensor)
    refiner = small("refiner_vit_s").train()
    assert {name: value.shape for name, value in refiner(photos(refiner)).items()} == {
        "cls": (2, 20),
        "token_logits": (2, 20, 4, 4),
    }
    assert isinstance(small("crossvit_tiny").train()(photos(small("crossvit_tiny"))), torch.Tensor)


def rates(name: str, prefix: str) -> list[float]:
    """Rates of stochastic depth of each block; both of its branches have the same."""
    model = vitdsl.build(name, device="meta")
    found: dict[str, set[float]] = {}
    for path, module in model.named_modules():
        if isinstance(module, DropPath) and path.startswith(prefix):
            found.setdefault(path[len(prefix) :].split(".")[1], set()).add(module.rate)
    assert all(len(each) == 1 for each in found.values())
    return [each.pop() for each in found.values()]


def test_stochastic_depth() -> None:
    assert rates("deit_tiny", "stages.0.block") == pytest.approx([0.1 * i / 11 for i in range(12)], rel=1e-9, abs=0)
    assert not any(rates("cvt13", "stages.0.block") + rates("cvt13", "stages.1.block"))
    assert rates("cvt13", "stages.2.block") == pytest.approx([0.1 * i / 9 for i in range(10)], rel=1e-9, abs=0)
    assert rates("cait_xxs24", "stages.0.block") == [0.05] * 24
    assert rates("cait_xxs24", "stages.1.block") == []


@pytest.mark.parametrize("name", ["deit_tiny", "cvt13", "cait_xxs24", "tnt_small"])
def test_repetitions_share_a_class(name: str) -> None:
    model = vitdsl.build(name, device="meta")
    repeated: dict[str, list[type]] = {}
    for path, module in model.named_modules():
        if is_repetition(module) and path:
            repeated.setdefault(path.rpartition(".")[0], []).append(type(module))
    assert repeated
    assert all(len(set(classes)) == 1 for classes in repeated.values())


def test_the_layer_classes_of_the_ten() -> None:
    found = set()
    for name in TEN:
        for module in vitdsl.build(name, device="meta").modules():
            if not isinstance(module, Body):
                found.add(type(module).__name__)
    assert found == LAYERS | FUNCTIONS
    assert len(LAYERS) + 1 <= 26


@pytest.mark.parametrize("name", TEN)
def test_every_parameter_of_the_graph_is_built(name: str) -> None:
    """Nothing is dropped in silence, reached or not."""
    model = vitdsl.build(name, device="meta")
    graph = {path for path, _, _ in model.spec.graph().frame.nodes()}
    assert sum(parameter.numel() for parameter in model.parameters()) == model.spec.analyze().trainable_params
    assert {key.rpartition(".")[0] for key, _ in model.named_parameters()} <= graph


def test_what_no_output_reads_is_built() -> None:
    """CvT's last block asks with the class token, which passes the convolution by: patches need no queries there."""
    spec = vitdsl.load("cvt13")
    unreached = ("stages.2.block.9.0.mixer.projection.q", "stages.2.block.9.0.mixer.projection.q.norm")
    assert spec.analyze().unreached == unreached
    model = vitdsl.build(spec, device="meta")
    assert all(list(model.get_submodule(path).parameters()) for path in unreached)


def test_copies_share_no_weights() -> None:
    model = small("cvt13")
    images = photos(model)
    with torch.no_grad():
        before = model.forward_features(images)
        other = copy.deepcopy(model)
        for parameter in model.parameters():
            parameter.zero_()
        assert torch.equal(other.forward_features(images), before)
