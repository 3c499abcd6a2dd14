"""What a teacher says of positions is its classifier at each of them."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

import vitdsl
from vitdsl.errors import InputError
from vitdsl.training.dense import DenseTeacher

INPUT = {"input": {"size": [16, 24]}, "classes": 5}
TOKENIZER = {"type": "patch", "size": 4, "dim": 12}
MLP = {"mlp": {"ratio": 2}}


def built(stage, head):
    torch.manual_seed(0)
    spec = vitdsl.load({**INPUT, "stages": [{"tokenizer": TOKENIZER, **stage}], "head": head})
    return vitdsl.build(spec, training_outputs=False).double().eval()


def images_of(*size):
    return torch.randn(2, 3, *(size or (16, 24)), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def linear(features_bnc, layer):
    """The map of a classifier on tokens of 4 × 6 positions."""
    return layer(features_bnc).mT.unflatten(2, (4, 6))


MEAN, CLS = {"norm": "layer", "pool": "mean"}, {"norm": "layer", "pool": "cls"}


@pytest.mark.parametrize(("stage", "head", "extra"), [
    ({"body": [MLP]}, MEAN, 0),
    ({"body": [MLP], "tokens": ["cls"]}, CLS, 1),
    ({"body": [MLP], "tokens": ["cls"]}, MEAN, 1),
    ({"body": [MLP], "tokens": ["cls", "dist"]}, CLS, 2),
])  # fmt: skip
def test_a_classifier_is_applied_at_every_position(stage, head, extra):
    model, images = built(stage, head), images_of()
    found = DenseTeacher(model, images[:1], "a")(images)
    features = model.forward_features(images)
    tokens_bnc = features.flatten(2).mT if features.ndim == 4 else features[:, extra:]
    assert found.shape == (2, 5, 4, 6)
    assert (found - linear(tokens_bnc, model.get_classifier())).abs().max() < 1e-12


def test_the_mean_over_positions_is_what_a_head_says_that_takes_the_mean():
    model, images = built({"body": [MLP]}, MEAN), images_of()
    found = DenseTeacher(model, images[:1], "a")(images)
    assert (found.mean((2, 3)) - model(images)).abs().max() < 1e-12


def test_a_head_that_takes_whole_maps_alone_is_given_maps_of_one_position():
    """LV-ViT's head lays tokens out as a map: both of its classifiers say what is at the position."""
    head = {
        "outputs": {"cls": [{"pool": "cls"}, "classifier"], "aux": [{"from": "grid"}, "classifier", {"pool": "max"}]},
        "merge": {"cls": 1, "aux": 0.5},
    }
    model, images = built({"body": [MLP], "tokens": ["cls"]}, head), images_of()
    teacher = DenseTeacher(model, images[:1], "a")
    found, tokens_bnc = teacher(images), model.forward_features(images)[:, 1:]
    layers = model.get_classifier()
    expected = linear(tokens_bnc, layers["cls"]) + 0.5 * linear(tokens_bnc, layers["aux"])
    assert (found - expected).abs().max() < 1e-12


SMALL_VIT = {"img_size": (32, 48), "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2, "num_classes": 7}


@pytest.mark.parametrize(("name", "options"), [
    ("vit_tiny_patch16_224", {}),
    ("vit_tiny_patch16_224", {"global_pool": "avg"}),
    ("vit_tiny_patch16_224", {"global_pool": "avg", "class_token": False}),
    ("deit_tiny_distilled_patch16_224", {}),
], ids=str)  # fmt: skip
def test_timms_transformers(name, options):
    torch.manual_seed(0)
    model = timm.create_model(name, **SMALL_VIT, **options).double().eval()
    images = images_of(32, 48)
    tokens_bnc = model.fc_norm(model.forward_features(images)[:, model.num_prefix_tokens :])
    heads = [model.head, *([model.head_dist] if hasattr(model, "head_dist") else [])]
    expected = torch.stack([linear(tokens_bnc, head) for head in heads]).mean(0)
    found = DenseTeacher(model, images[:1], "a")(images)
    assert (found - expected).abs().max() < 1e-12


@pytest.mark.parametrize("name", ["resnet10t", "swin_tiny_patch4_window7_224", "mixer_s32_224"])
def test_timms_maps_in_any_layout(name):
    """Their heads take the mean, and a linear map."""
    torch.manual_seed(0)
    options = {"depths": (1, 1, 1, 1), "embed_dim": 24} if "swin" in name else {}
    model = timm.create_model(name, num_classes=7, **options).double().eval()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.1)
    size = (224, 224) if name != "resnet10t" else (64, 96)
    images = images_of(*size)
    found = DenseTeacher(model, images[:1], "a")(images)
    assert found.shape[2:] == ((7, 7) if name != "resnet10t" else (2, 3))
    assert (found.mean((2, 3)) - model(images)).abs().max() < 1e-9
    first, second = (found[:, :, 0, 0], found[:, :, -1, -1])
    assert (first - second).abs().max() > 1e-6


class Plain(nn.Module):
    """Gives features of a shape."""

    def __init__(self, *shape, classes=3):
        super().__init__()
        self.shape, self.classes = shape, classes

    def forward(self, x):
        return x.new_zeros(len(x), self.classes)

    def forward_features(self, x):
        return x.new_zeros(len(x), *self.shape)

    def forward_head(self, x):
        raise ValueError("no head")


@pytest.mark.parametrize(("model", "said"), [
    (lambda: Plain(1, 8), "the head of `a` reads no single map of features"),
    (lambda: Plain(2, 8), "the head of `a` reads no single map of features"),
    (lambda: Plain(8), "the head of `a` reads no single map of features"),
    (lambda: built({"tokens": ["a"], "body": [{"pool": "a"}]}, [{"from": "x"}, "classifier"]),
     "the head of `a` reads no single map of features"),
    (lambda: Plain(25, 8), "the head of `a` cannot be applied at a position: no head"),
])  # fmt: skip
def test_what_says_nothing_of_positions_is_refused(model, said):
    images = images_of(16, 16)
    with pytest.raises(InputError, match=said):
        DenseTeacher(model().double(), images[:1], "a")
