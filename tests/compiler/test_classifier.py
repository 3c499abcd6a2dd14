"""A model that is given other classifiers, or another pool: all else stays."""

import copy
import pickle
from typing import Any

import pytest
import torch

import vitdsl
from tests.compiler.small import photos, small, tensors_of


@pytest.mark.parametrize("name", ["cvt13", "deit_tiny_distilled", "levit_128s", "cait_xxs24"])
def test_another_classifier(name):
    model = small(name).double().train()
    images = photos(model).double()
    classifiers = model.get_classifier()
    theirs = [
        id(p)
        for c in (classifiers.values() if isinstance(classifiers, dict) else [classifiers])
        for p in c.parameters()
    ]
    before = {path: parameter for path, parameter in model.named_parameters() if id(parameter) not in theirs}
    kept = copy.deepcopy(model)
    with torch.no_grad():
        wanted = kept.eval().forward_features(images)
    model.reset_classifier(7)
    assert model.num_classes == 7
    assert model.training
    after = dict(model.named_parameters())
    assert all(after[path] is parameter for path, parameter in before.items())
    assert len(after) == len(before) + len(theirs)
    with torch.no_grad():
        assert model.eval()(images).shape == (2, 7)
        for mine, their in zip(tensors_of(model.forward_features(images)), tensors_of(wanted), strict=True):
            torch.testing.assert_close(mine, their, rtol=1e-9, atol=1e-9)
        again = pickle.loads(pickle.dumps(model))
        assert torch.equal(again(images), model(images))
        pre_logits = model.forward_head(model.forward_features(images), pre_logits=True)
        model.reset_classifier(0)
        assert model.get_classifier() is None
        assert torch.equal(model(images), sum(tensors_of(pre_logits)) / len(tensors_of(pre_logits)))


def test_another_pool():
    model = small("deit_tiny_distilled")
    model.reset_classifier(5, "mean")
    assert model(photos(model)).shape == (2, 5)
    assert isinstance(model.get_classifier(), torch.nn.Module)
    with pytest.raises(vitdsl.SpecError, match="meen"):
        model.reset_classifier(5, "meen")
    assert model(photos(model)).shape == (2, 5)


def test_recomputing_lasts_over_copies_and_other_classifiers():
    model = small("deit_tiny_distilled")
    model.set_grad_checkpointing()
    model.reset_classifier(3)
    for each in (model, copy.deepcopy(model)):
        assert hasattr(each.get_submodule("stages.0.block.0"), "recomputed")


class Wrapped(torch.nn.Module):
    """Passes on what a block is given: its input, and the size of the grid where it asks for it."""

    def __init__(self, block: torch.nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, *given: Any) -> Any:
        return self.block(*given)


def test_another_classifier_leaves_the_rest_alone():
    model = small("levit_128s").train()
    first, linear = model.get_submodule("stages.0.body.0.0"), model.get_submodule("stages.0.body.1.1.mlp.fc1")
    seen: list[str] = []
    model.register_forward_hook(lambda *_: seen.append("model"))
    first.register_forward_hook(lambda *_: seen.append("block"))
    linear.register_forward_hook(lambda *_: seen.append("layer"))
    frozen = model.get_submodule("stages.0.tokenizer").eval().requires_grad_(False)
    wrapped = Wrapped(model.get_submodule("stages.0.body.2.0"))  # a caller's own module in a block's place
    model.get_submodule("stages.0.body.2").add_module("0", wrapped)
    inside = list(wrapped.modules())
    model.reset_classifier(3)
    model(photos(model))
    assert seen == ["block", "layer", "model"]
    assert not any(module.training for module in frozen.modules())
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert model.get_submodule("stages.0.body.2.0") is wrapped
    assert list(wrapped.modules()) == inside
    assert all(parameter.requires_grad for c in model.get_classifier().values() for parameter in c.parameters())


def test_another_pool_leaves_no_layers_of_the_old_one():
    spec = vitdsl.load("cct_2_3x2_32")
    model = vitdsl.build(spec)
    assert "head.pool.weight" in model.state_dict()
    model.reset_classifier(7, "mean")
    wanted = vitdsl.build(vitdsl.load(spec, set={"classes": 7, "head.pool": "mean"})).state_dict()
    assert {key: tensor.shape for key, tensor in model.state_dict().items()} == {k: t.shape for k, t in wanted.items()}
