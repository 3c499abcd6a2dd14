"""Every proxy on small models of many families: numbers, the same each time, and the model as it was."""

import copy
import math
import random

import numpy as np
import pytest
import torch

import vitdsl
from vitdsl.search.proxies import LABELLED, PROXIES, measures_of, score

SMALL = {
    "vit_tiny16": {"vars.patch": 8, "vars.channels": 24, "vars.layers": 2, "vars.heads": 2},
    "deit_tiny_distilled": {"vars.channels": 24, "vars.patch": 8, "stages[0].depth": 2},
    "swin_tiny": {
        "define.block.body[0].windows.size": 4, "define.block.body[0].windows.shift": "$(index % 2 * 2)",
        "stages[0].tokenizer.dim": 24, "stages[2].depth": 1, "stages[3].depth": 1,
    },
    "cvt13": {
        "stages[0].tokenizer[0].conv.dim": 8, "stages[1].tokenizer[0].conv.dim": 12,
        "stages[2].tokenizer[0].conv.dim": 24, "stages[2].depth": 1,
    },
    "levit_128s": {
        "vars.widths": [32, 40, 48], "vars.depths": [1, 1, 1], "vars.key": 4, "vars.heads": [2, 2, 2],
        "vars.halving": [2, 2],
    },
    "t2t_vit_7": {"vars.channels": 24, "vars.layers": 1},
    "lvvit_t": {"vars.channels": 24, "vars.layers": 2, "vars.heads": 2, "vars.stem": 8},
    "resnet18": {"stages[2].body.channels": 16, "stages[3].body.channels": 24, "stages[1].body.channels": 16},
    "depthwise_deit_tiny": {"vars.patch": 8, "vars.channels": 24, "stages[0].depth": 2},
}  # fmt: skip


def small(name):
    torch.manual_seed(0)
    return vitdsl.build(vitdsl.load(name, {**SMALL[name], "input.size": 32, "classes": 5}))


def batch(model, size=8):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(size, 3, *model.image_size, generator=generator)
    return images, torch.randint(5, (size,), generator=generator)


def numbers(found):
    return list(found.values()) if isinstance(found, dict) else [found]


@pytest.mark.parametrize("name", list(SMALL))
def test_every_proxy_gives_a_number_and_leaves_the_model_as_it_was(name):
    model = small(name)
    images, labels = batch(model)
    model.train()
    for index, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(index % 3 > 0)
        parameter.grad = torch.full_like(parameter, index)
    before = copy.deepcopy(model.state_dict())
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    flags = [parameter.requires_grad for parameter in model.parameters()]
    drawn = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    for proxy in PROXIES:
        found = score(proxy, model, images, labels, seed=3)
        assert all(math.isfinite(value) for value in numbers(found)), (proxy, found)
        assert len(numbers(found)) == len(measures_of(proxy))
    after = model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
    assert flags == [parameter.requires_grad for parameter in model.parameters()]
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(drawn[0], torch.random.get_rng_state())
    assert drawn[1:] == (random.getstate(), np.random.get_state()[1].tolist())


@pytest.mark.parametrize("proxy", list(PROXIES))
def test_only_model_batch_and_seed_matter(proxy):
    model = small("levit_128s")
    images, labels = batch(model)
    wanted = score(proxy, model, images, labels, seed=3)
    torch.manual_seed(11)
    with torch.no_grad():
        assert score(proxy, model.train(), images, labels, seed=3) == wanted
    if proxy != "az_nas":
        assert score(proxy, model.eval(), images, labels, seed=4) == wanted
    if proxy not in LABELLED:
        assert score(proxy, model, images, seed=3) == wanted


@pytest.mark.parametrize("name", ["vit_tiny16", "levit_128s"])
def test_dss_is_diversity_of_mixers_and_saliency_of_the_rest(name):
    """By autograd on the names of the modules, which these two have alike."""
    model = small(name)
    twin = copy.deepcopy(model).double().eval()
    for parameter in twin.parameters():
        parameter.data.abs_()
    twin(torch.ones(1, 3, 32, 32, dtype=torch.float64)).sum().backward()
    wanted = 0.0
    for path, module in twin.named_modules():
        weight = getattr(module, "weight", None)
        if weight is None or weight.ndim < 2 or "position" in path:
            continue
        matrix, gradient = weight.detach().flatten(1), weight.grad.flatten(1)
        if ".mixer." in path:
            wanted += float(torch.linalg.matrix_norm(matrix, "nuc") * torch.linalg.matrix_norm(gradient, "nuc"))
        else:
            wanted += float((matrix * gradient).abs().sum())
    assert score("dss", model, *batch(model)) == pytest.approx(wanted, rel=1e-9)


def test_a_model_without_a_mixer_has_no_diversity():
    model = small("resnet18")
    assert score("dss", model, *batch(model)) == score("synflow", model, *batch(model))


def test_a_folded_model():
    model = small("levit_128s")
    for proxy in PROXIES:
        found = score(proxy, vitdsl.fold(model), *batch(model))
        assert all(math.isfinite(value) for value in numbers(found))
    assert score("synflow", vitdsl.fold(model), *batch(model)) > 0


def test_half_types_are_judged_in_float32():
    model = small("vit_tiny16")
    images, labels = batch(model)
    wanted = score("snip", model.bfloat16().float(), images, labels)
    assert score("snip", model.bfloat16(), images, labels) == wanted
