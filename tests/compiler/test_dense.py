"""Detectors and segmenters upon backbones: torchvision and segmentation_models_pytorch, on a photo."""

import pytest
import segmentation_models_pytorch as smp
import torch
from sklearn.datasets import load_sample_image
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.ops import FeaturePyramidNetwork

import vitdsl
import vitdsl.timm  # registers

HYBRID = """
name: hybrid
stages:
  - tokenizer: {conv: {dim: 16, kernel: 7, stride: 4, padding: 3, norm: batch}}
    depth: 2
    block: [{residual: true, pre: layer, conv: {kernel: 3, groups: 16}}, {mlp: {ratio: 2}}]
  - tokenizer: merge
    body:
      - merge: add
        parallel:
          - [{repeat: 2, body: [{mixer: {type: global, heads: 2}}, {mlp: {ratio: 2}}]}]
          - [{residual: true, conv: {kernel: 3, groups: 32}}]
  - {tokenizer: merge, tokens: [cls], depth: 1, block: [{mixer: {type: global, heads: 4}}, {mlp: {ratio: 2}}]}
head: {pool: cls}
"""
MODELS = {"hybrid": (HYBRID, 96), "pvt_tiny": ("pvt_tiny", 64), "cvt13": ("cvt13", 64), "swin_tiny": ("swin_tiny", 224)}
"""What is built, and the side of its images."""
NAMES = ["hybrid", *(pytest.param(name, marks=pytest.mark.full) for name in MODELS if name != "hybrid")]


def photo():
    """(3, 427, 640)."""
    return torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1) / 255


class Pyramid(nn.Module):
    """The maps of a backbone, each with 16 channels."""

    out_channels = 16

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.pyramid = FeaturePyramidNetwork(backbone.feature_info.channels(), self.out_channels)

    def forward(self, images):
        return self.pyramid({str(level): each for level, each in enumerate(self.backbone(images))})


def check_gradients(model):
    assert not [key for key, value in model.named_parameters() if value.requires_grad and value.grad is None]


@pytest.mark.parametrize("name", NAMES)
def test_faster_rcnn(name):
    source, side = MODELS[name]
    spec = vitdsl.load(source)
    levels = len(vitdsl.build(spec, "meta", size=side).feature_info)
    backbone = vitdsl.build(spec, size=side, features=levels)
    anchors = AnchorGenerator(tuple((2 ** (4 + level),) for level in range(levels)), ((0.5, 1.0, 2.0),) * levels)
    detector = FasterRCNN(Pyramid(backbone), 3, fixed_size=(side, side), rpn_anchor_generator=anchors)
    target = {"boxes": torch.tensor([[60.0, 80.0, 580.0, 300.0]]), "labels": torch.tensor([1])}
    losses = detector([photo()], [target])
    sum(losses.values()).backward()
    check_gradients(backbone)
    with torch.no_grad():
        (found,) = detector.eval()([photo()])
    assert found.keys() == {"boxes", "labels", "scores"}


@pytest.mark.full
@pytest.mark.parametrize(("name", "depth"), [("swin_tiny", 5), ("pvt_tiny", 5), ("cvt13", 4)])
def test_segmentation_models(name, depth):
    side = MODELS[name][1]
    channels = (32, 16, 16, 8, 8)[:depth]
    unet = smp.Unet(
        f"tu-vitdsl_{name}", encoder_weights=None, encoder_depth=depth, decoder_channels=channels, classes=2,
        img_size=side,
    )  # fmt: skip
    found = unet(photo()[None, :, :side, :side])
    assert found.shape == (1, 2, side, side)
    found.square().mean().backward()
    check_gradients(unet.encoder)


@pytest.mark.parametrize("name", NAMES)
def test_feature_extractor(name):
    """torchvision names what it takes by the paths of layers."""
    source, side = MODELS[name]
    model = vitdsl.build(source, size=side).eval()
    image = photo()[None, :, :side, :side]
    paths = [path for path, _ in model.named_modules() if path.endswith("mlp.fc2")]
    values = {}
    for path in paths:
        model.get_submodule(path).register_forward_hook(
            lambda module, inputs, output, path=path: values.update({path: output})
        )
    with torch.no_grad():
        model(image)
        found = create_feature_extractor(model, paths)(image)
    assert found.keys() == values.keys()
    for path, value in found.items():
        torch.testing.assert_close(value, values[path], rtol=0, atol=0)
