"""Every shipped spec: exact costs, gradients, names, compilation, one step of training.

By default the smallest spec of each family is looked at, and two are compiled; `-m full` looks at all.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from timm.models import group_parameters
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import vitdsl
from tests.parity import fingerprint
from tests.parts.test_contract import UNSEEN
from tests.zoo.specs import NAMES, all_of_them, families, smallest
from vitdsl.checkpoints.files import write_weights
from vitdsl.compiler.model import VisionModel
from vitdsl.spec import Spec

COMPILED = ["vit_tiny16", "mobilenet_v2"]


def image(spec: Spec, device: str, batch: int = 2) -> Tensor:
    given = spec.model.input
    return torch.rand(batch, given.channels, *given.size, device=device)


def tensors(value: Any) -> list[Tensor]:
    """All floating tensors of what training returns."""
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for entry in inner for tensor in tensors(entry)]


def invisible(spec: Spec, model: VisionModel) -> int:
    """Multiply-adds of one image that torch's counter cannot see."""
    total = 0
    for path, node, frame in spec.graph().frame.nodes():
        if node.op.type == "dynamic_conv":
            unseen = UNSEEN.get(type(model.get_submodule(path)).__name__)
            features = [frame.features[number] for number in node.inputs]
            total += unseen(node.op, *features) * node.times if unseen else 0
    return total


def without_gradients(model: VisionModel) -> set[str]:
    """Modules whose parameters the loss does not reach."""
    return {key.rpartition(".")[0] for key, p in model.named_parameters() if p.requires_grad and p.grad is None}


@pytest.mark.parametrize("name", NAMES)
def test_loads(name: str) -> None:
    spec = vitdsl.load(name)
    assert spec.name == name
    assert spec.analyze().params > 0
    assert vitdsl.load(spec.dump()) == spec


@pytest.mark.parametrize("name", all_of_them(smallest()))
def test_costs_and_gradients_are_those_of_the_module(name: str) -> None:
    """On the meta device: nothing is computed."""
    spec = vitdsl.load(name)
    model, found = vitdsl.build(spec, device="meta"), spec.analyze()
    assert found.trainable_params == sum(p.numel() for p in model.parameters() if p.requires_grad)
    with FlopCounterMode(display=False) as counter:
        model.eval()(image(spec, "meta", 1))
    assert counter.get_total_flops() == 2 * (found.macs - invisible(spec, model))
    sum(tensor.sum() for tensor in tensors(model.train()(image(spec, "meta")))).backward()  # type: ignore[union-attr]
    assert without_gradients(model) <= set(found.unreached)


@pytest.mark.parametrize("name", smallest())
def test_names_survive_safetensors(name: str, tmp_path: Path) -> None:
    state = vitdsl.build(name, device="meta").state_dict()
    kinds = {key: torch.bfloat16 if tensor.is_floating_point() else tensor.dtype for key, tensor in state.items()}
    write_weights(tmp_path / "w.safetensors", {key: torch.empty(state[key].shape, dtype=kinds[key]) for key in state})
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()} == {  # noqa: SIM118
            key: tuple(tensor.shape) for key, tensor in state.items()
        }


@pytest.mark.parametrize("name", all_of_them(COMPILED, smallest()))
def test_compiles_in_one_graph(name: str) -> None:
    spec = vitdsl.load(name)
    model = vitdsl.build(spec).double().eval()
    x = image(spec, "cpu", 1).double()
    torch.compiler.reset()
    with torch.no_grad():
        expected = model(x)
        found = torch.compile(model, fullgraph=True, backend="eager")(x)
    assert (found - expected).abs().max().item() <= fingerprint.LIMIT * max(1.0, expected.abs().max().item())


@pytest.mark.parametrize("name", all_of_them(COMPILED, smallest()))
def test_a_head_on_its_features_is_the_model(name: str) -> None:
    spec = vitdsl.load(name)
    model, x = vitdsl.build(spec).double().eval(), image(spec, "cpu", 1).double()
    with torch.no_grad():
        features, maps = model.forward_intermediates(x)
        assert torch.equal(model.forward_head(features), model(x))
    assert [(1, info["num_chs"]) for info in model.feature_info] == [each.shape[:2] for each in maps]
    assert all(each.ndim == 4 for each in maps)


@pytest.mark.parametrize("name", all_of_them(COMPILED))
def test_parameters_have_groups_and_another_classifier(name: str) -> None:
    """On the meta device; what timm groups by layer begins with the stem and ends with the head."""
    model = vitdsl.build(name, device="meta")
    groups = group_parameters(model, model.group_matcher(), reverse=True)
    assert groups.keys() == dict(model.named_parameters()).keys()
    assert min(groups.values()) == 0
    assert {name.split(".")[0] for name, number in groups.items() if number == max(groups.values())} == {"head"}
    before = dict(model.named_parameters())
    model.reset_classifier(7)
    changed = {name for name, parameter in model.named_parameters() if before.get(name) is not parameter}
    assert changed
    assert all(name.startswith("head.") for name in changed)


@pytest.mark.full
@pytest.mark.parametrize("name", smallest())
def test_one_step_of_training(name: str) -> None:
    """Gradients are finite, reach all that is reached, and move it; heads that begin at zero are pulled from there."""
    torch.manual_seed(0)
    spec = vitdsl.load(name)
    model, x = vitdsl.build(spec).train(), image(spec, "cpu")
    loss = sum((tensor - 1).square().mean() for tensor in tensors(model(x)))
    assert isinstance(loss, Tensor)
    loss.backward()
    assert math.isfinite(loss.item())
    assert without_gradients(model) <= set(spec.analyze().unreached)
    grads = {key: p.grad for key, p in model.named_parameters() if p.grad is not None}
    assert all(grad.isfinite().all() for grad in grads.values())
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    torch.optim.SGD(model.parameters(), lr=0.01).step()
    moved = [key for key, p in model.named_parameters() if not torch.equal(p, before[key])]
    assert moved
    assert {key for key, grad in grads.items() if grad.abs().max() > 1e-3} <= set(moved)


def test_families_are_told_by_what_they_extend() -> None:
    assert sorted(name for names in families().values() for name in names) == NAMES
    assert set(COMPILED) <= set(smallest())
