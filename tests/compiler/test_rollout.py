"""Attention rollout is the product of the maps where that says something, and refused elsewhere."""

from functools import reduce

import pytest
import torch

import vitdsl
from tests.compiler.seen_maps import at_small_size, images_for
from tests.compiler.small import SMALL, photos, small
from tests.zoo.specs import all_of_them, smallest


def built(body):
    stages = [{"tokenizer": {"type": "patch", "size": 4, "dim": 16}, "body": body}]
    spec = vitdsl.load({"input": {"size": 8}, "classes": 3, "stages": stages, "head": {"pool": "mean"}})
    return vitdsl.build(spec).double().eval()


def maps_of(model, images):
    """The maps of all mixers, mean of their heads."""
    return [each.weights.mean(1) for each in vitdsl.attention_maps(model, images).maps]


def with_shortcut(map_bqk):
    return (map_bqk + torch.eye(map_bqk.shape[1], dtype=map_bqk.dtype)) / 2


@torch.no_grad()
def test_a_plain_transformer():
    model = small("deit_tiny_distilled").double()
    images = photos(model).double()
    found = vitdsl.attention_rollout(model, images)
    first, second = map(with_shortcut, maps_of(model, images))
    torch.testing.assert_close(found.weights[:, 0], second @ first, rtol=0, atol=1e-12)
    assert (str(found.queries), str(found.keys)) == ("cls+dist+4x4·192", "cls+dist+4x4·192")
    assert (found.query_grid, found.path) == ((4, 4), "rollout")


@torch.no_grad()
def test_mixers_side_by_side_share_what_the_shortcut_leaves():
    mixer = {"mixer": {"type": "global", "heads": 2}, "residual": False}
    model = built([{"parallel": [[mixer], [mixer]], "residual": True, "pre": "layer"}])
    one, other = maps_of(model, images_for(model))
    found = vitdsl.attention_rollout(model, images_for(model))
    torch.testing.assert_close(found.weights[:, 0], with_shortcut((one + other) / 2), rtol=0, atol=1e-12)


@torch.no_grad()
def test_fewer_queries_without_shortcut():
    model = small("levit_128s").double()
    images = photos(model).double()
    wanted = reduce(
        lambda below, found: (with_shortcut(found) if found.shape[1] == found.shape[2] else found) @ below,
        maps_of(model, images), torch.eye(64, dtype=torch.float64),
    )  # fmt: skip
    found = vitdsl.attention_rollout(model, images)
    torch.testing.assert_close(found.weights[:, 0], wanted, rtol=0, atol=1e-12)
    assert (found.query_grid, found.key_grid) == ((2, 2), (8, 8))


@torch.no_grad()
def test_a_class_token_that_joins_late():
    stages = [
        {"tokenizer": {"type": "patch", "size": 4, "dim": 16}, "body": [{"mixer": {"type": "global", "heads": 2}}]},
        {"tokens": ["cls"], "body": [{"mixer": {"type": "class", "heads": 2}}, {"at": "cls", "mlp": {}}]},
    ]
    spec = vitdsl.load({"input": {"size": 8}, "classes": 3, "stages": stages, "head": {"pool": "cls", "norm": "layer"}})
    model = vitdsl.build(spec).double().eval()
    images = images_for(model)
    first, last = maps_of(model, images)
    found = vitdsl.attention_rollout(model, images)
    assert str(found.keys) == "cls+2x2·16"
    patches = with_shortcut(first)
    wanted = torch.zeros(2, 5, 5, dtype=torch.float64)
    wanted[:, 1:, 1:] = patches
    wanted[:, :1, 1:] = last[:, :, 1:] @ patches / 2
    wanted[:, 0, 0] = (last[:, 0, 0] + 1) / 2
    torch.testing.assert_close(found.weights[:, 0], wanted, rtol=0, atol=1e-12)


REFUSED = {
    "cait_xxs24": "`stages.0.block.0.0.mixer` weighs by no plain softmax",
    "ceit_tiny": "`stages.0` collects tokens",
    "crossvit_tiny": "its head reads several streams",
    "cvt13": "tokens of several grids are mixed in `stages.0.block.0`",
    "refiner_vit_s": "weighs by no plain softmax",
    "swin_tiny": "`stages.0.block.0.0.mixer` runs in windows",
    "tnt_small": "runs in windows",
    "convnext_tiny": "no mixer",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_says_nothing_of_is_refused(name):
    model = vitdsl.build(vitdsl.load(name, SMALL.get(name)), device="meta").eval()
    with pytest.raises(vitdsl.AttentionError, match=REFUSED[name]):
        vitdsl.attention_rollout(model, torch.empty(1, 3, *model.image_size, device="meta"))


def test_a_model_in_training_is_refused():
    with pytest.raises(vitdsl.AttentionError, match="evaluation mode"):
        vitdsl.attention_rollout(small("deit_tiny_distilled").train(), torch.zeros(1, 3, 64, 64))


def test_gates_over_all_tokens_are_refused():
    gate = [{"pool": "mean"}, {"linear": 16}]
    model = built([{"mixer": {"type": "global", "heads": 2}}, {"parallel": [[], gate], "merge": "multiply"}])
    with pytest.raises(vitdsl.AttentionError, match="mixes tokens, and has no map"):
        vitdsl.attention_rollout(model, images_for(model))


@pytest.mark.parametrize("name", all_of_them([], smallest()))
@torch.no_grad()
def test_shares_are_all_of_a_token(name):
    model = at_small_size(name)
    try:
        found = vitdsl.attention_rollout(model, images_for(model, 1))
    except vitdsl.AttentionError:
        return  # said above
    assert found.weights.min() >= 0
    torch.testing.assert_close(found.weights.sum(3), torch.ones_like(found.weights[..., 0]), rtol=0, atol=1e-10)
