"""Blocks that run twice, rather than keep their activations."""

import copy

import pytest
import torch

from tests.compiler.small import photos, small, tensors_of


@pytest.mark.parametrize("name", ["swin_tiny", "cait_xxs24", "deit_tiny_distilled"])
def test_blocks_run_twice_in_place_of_keeping_activations(name):
    model = small(name).double().train()
    again = copy.deepcopy(model)
    again.set_grad_checkpointing()
    ran = {id(each): [] for each in (model, again)}
    path = next(info["module"] for info in model.feature_info)
    for each in (model, again):
        inner = next(m for m in each.get_submodule(path).modules() if isinstance(m, torch.nn.Linear))
        inner.register_forward_hook(lambda *_, each=each: ran[id(each)].append(1))
    images = photos(model).double()
    losses = []
    for each in (model, again):
        torch.manual_seed(1)
        out = each(images)
        loss = sum(value.square().sum() for value in tensors_of(out))
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]
    for (name, mine), (_, theirs) in zip(model.named_parameters(), again.named_parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-9, atol=1e-12, msg=name)
    assert len(ran[id(again)]) == 2 * len(ran[id(model)])
    ran[id(again)].clear()
    again.set_grad_checkpointing(False)
    sum(value.sum() for value in tensors_of(again(images))).backward()
    assert len(ran[id(again)]) == len(ran[id(model)])
