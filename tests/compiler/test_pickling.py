"""Models in pickles: weights, modes and what is frozen come back; what the spec does not say is refused."""

from __future__ import annotations

import io
import pickle

import pytest
import torch

import vitdsl
from tests.compiler.small import FEW, assert_same, small


@pytest.mark.parametrize("name", FEW)
def test_pickles(name: str) -> None:
    model = small(name)
    restored = pickle.loads(pickle.dumps(model))
    assert restored.spec == model.spec
    assert not restored.training
    assert_same(model, restored)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    assert_same(model, torch.load(file, weights_only=False))


@pytest.mark.parametrize("fold", [False, True])
def test_pickles_keep_what_is_set(fold: bool) -> None:
    model = small("levit_128s").train()
    model = vitdsl.fold(model) if fold else model
    model.set_grad_checkpointing()
    model.get_submodule("head").train()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    model.get_submodule("stages.0.tokenizer").requires_grad_(False)
    restored = pickle.loads(pickle.dumps(model))
    for (path, mine), (_, theirs) in zip(model.named_modules(), restored.named_modules(), strict=True):
        assert mine.training == theirs.training, path
        assert hasattr(mine, "recomputed") == hasattr(theirs, "recomputed"), path
    for (path, mine), (_, theirs) in zip(model.named_parameters(), restored.named_parameters(), strict=True):
        assert mine.requires_grad == theirs.requires_grad, path
    assert any(hasattr(module, "recomputed") for module in restored.modules())
    assert len({module.training for module in restored.modules()}) == 2
    assert len({parameter.requires_grad for parameter in restored.parameters()}) == 2


def test_modules_that_the_spec_does_not_say_are_not_lost_in_a_pickle() -> None:
    model = small("deit_tiny_distilled")
    block = model.get_submodule("stages.0.block.1")
    model.get_submodule("stages.0.block").add_module("1", torch.nn.Sequential(block))
    with pytest.raises(pickle.PicklingError, match=r"stages\.0\.block\.1\.0\.0.*state_dict"):
        pickle.dumps(model)
