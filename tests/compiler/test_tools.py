"""What other people's tools do with a model: wrap and replace its layers, trace it, convert it, change its head."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

import vitdsl
from tests.compiler.small import SMALL, photos, small
from vitdsl.compiler.model import VisionModel

CONVOLUTIONAL = ["convnext_tiny", "mobilenet_v2", "resnet18", "cpvt_tiny", "botnet50", "dwnet_tiny", "vt_resnet18"]
ITEMS: dict[str, Any] = {
    "linear": {"linear": {"activation": "gelu", "norm": "layer"}},
    "linear with batch norm": {"linear": {"norm": "batch"}},
    "conv": {"conv": {"kernel": 3, "norm": "batch", "activation": "relu"}},
    "conv with group norm": {"conv": {"kernel": 3, "norm": "group", "activation": "relu"}},
    "linear on a map": [{"conv": {"kernel": 3}}, {"linear": {"norm": "batch"}}, {"conv": {"kernel": 3}}],
    "inverted": {"mlp": {"type": "inverted", "norm": "batch"}},
    "leff": {"mlp": {"type": "leff", "norm": "batch"}},
    "norms of tokens": [{"mixer": {"type": "global", "heads": 2}, "pre": "batch"}, {"norm": "group"}],
    "maps": {"mixer": {"type": "talking_heads", "heads": 2}},
    "convolved maps": {"mixer": {"type": "refined", "heads": 2}},
    "projection": {"mixer": {"type": "global", "heads": 2, "projection": {"conv": {"kernel": 3, "norm": "batch"}}}},
}


class Wrapped(nn.Module):
    """A low-rank adapter that begins as nothing."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.base_layer = layer
        if isinstance(layer, nn.Linear):
            self.down = nn.Linear(layer.in_features, 2, bias=False)
            self.up = nn.Linear(2, layer.out_features, bias=False)
            nn.init.zeros_(self.up.weight)
            self.to(layer.weight.dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.base_layer(x)
        return y + self.up(self.down(x)) if isinstance(self.base_layer, nn.Linear) else y


def spec_of(item: Any) -> dict[str, Any]:
    body = item if isinstance(item, list) else [item]
    stage = {"tokenizer": {"type": "patch", "size": 4, "dim": 16}, "depth": 2, "block": body}
    return {"name": "small", "classes": 5, "input": {"size": 16}, "stages": [stage], "head": {"pool": "mean"}}


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-9 * max(1.0, expected.abs().max().item())


def unsettled(model: VisionModel) -> VisionModel:
    """The model with statistics and weights that are not those of the start."""
    generator = torch.Generator().manual_seed(3)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.data += 0.1 * torch.rand(tensor.shape, generator=generator)
    return model.double().eval()


def wrap(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> int:
    found = [(path, module) for path, module in model.named_modules() if isinstance(module, kinds)]
    for path, module in found:
        model.set_submodule(path, Wrapped(module))
    return len(found)


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
@torch.no_grad()
def test_every_layer_can_be_wrapped(item):
    torch.manual_seed(0)
    model, images = unsettled(vitdsl.build(spec_of(item))), torch.randn(2, 3, 16, 16).double()
    expected = model(images)
    assert wrap(model, (nn.Linear, nn.Conv2d)) > 2
    close(model(images), expected)


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
@torch.no_grad()
def test_synchronized_batch_norms_give_what_batch_norms_gave(item):
    torch.manual_seed(0)
    model, images = unsettled(vitdsl.build(spec_of(item))), torch.randn(2, 3, 16, 16).double()
    other = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(model)).eval()
    close(other(images), model(images))


@pytest.mark.full
@pytest.mark.parametrize("name", [*SMALL, *CONVOLUTIONAL])
@torch.no_grad()
def test_models_of_the_zoo_can_be_wrapped_and_converted(name):
    model = unsettled(small(name) if name in SMALL else vitdsl.build(name))
    images = photos(model).double()
    expected = model(images)
    wrap(model, (nn.Linear, nn.Conv2d))
    close(model(images), expected)
    other = nn.SyncBatchNorm.convert_sync_batchnorm(model).eval()
    close(other(images), expected)


def test_a_layer_that_loses_the_norm_below_it_is_named():
    model = vitdsl.build(spec_of(ITEMS["conv"]))
    with pytest.raises(AttributeError, match="has the module `norm` below it: keep the layer that it replaces"):
        model.set_submodule("stages.0.block.0.0.conv", nn.Conv2d(16, 16, 3, padding=1))


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", ["deit_tiny_distilled", "swin_tiny", "cvt13", "levit_128s"])
@torch.no_grad()
def test_a_model_is_traced(name):
    model = small(name).double()
    images = photos(model).double()
    traced = torch.jit.trace(model, images, check_trace=False)
    close(traced(images), model(images))


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_torchvision_extracts_features(name):
    model = small(name).double()
    images, last = photos(model).double(), get_graph_node_names(model)[1][-1]
    found = create_feature_extractor(model, {last: "last"})(images)
    close(found["last"], model(images))


@torch.no_grad()
def test_a_block_is_a_feature_of_torchvision():
    model = small("deit_tiny_distilled").double()
    images = photos(model).double()
    found = create_feature_extractor(model, {"stages.0.block.0.1.mlp.fc2": "fc2"})(images)
    seen: list[torch.Tensor] = []
    model.get_submodule("stages.0.block.0.1.mlp.fc2").register_forward_hook(lambda *given: seen.append(given[-1]))
    model(images)
    close(found["fc2"], seen[0])


@pytest.mark.parametrize("name", ["cvt13", "swin_tiny", "mobilenet_v2"])
@torch.no_grad()
def test_memory_may_be_channels_last(name):
    model = unsettled(small(name) if name in SMALL else vitdsl.build(name, size=64))
    images = photos(model).double() if name in SMALL else torch.randn(2, 3, 64, 64).double()
    expected = model(images)
    model.to(memory_format=torch.channels_last)
    found = model(images.to(memory_format=torch.channels_last))
    close(found, expected)


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_a_batch_may_be_empty(name):
    model = small(name)
    assert model(photos(model)[:0]).shape == (0, 20)


@pytest.mark.parametrize("fold", [False, True])
def test_what_parts_keep_outside_of_state_dicts_lasts(fold):
    model = small("swin_tiny")
    model = vitdsl.fold(model) if fold else model
    name, mask = next((name, buffer) for name, buffer in model.named_buffers() if name.endswith(".mask"))
    mask.logical_not_()
    assert torch.equal(dict(pickle.loads(pickle.dumps(model)).named_buffers())[name], mask)
    assert torch.equal(dict(copy.deepcopy(model).named_buffers())[name], mask)
    assert torch.equal(dict(vitdsl.fold(model).named_buffers())[name], mask)


# ---------------------------------------------------------------- heads

POOLS = {"": (1, 197, 192), "avg": (1, 192), "token": (1, 192), "max": (1, 192), "mean": (1, 192), "cls": (1, 192)}


@pytest.mark.parametrize(("pool", "shape"), POOLS.items())
def test_pools_are_called_as_timm_calls_them(pool, shape):
    model = vitdsl.build("vit_tiny16", device="meta")
    model.reset_classifier(0, pool)
    assert model(torch.empty(1, 3, 224, 224, device="meta")).shape == shape


@pytest.mark.parametrize("name", ["swin_tiny", "convnext_tiny", "resnet18", "levit_128s", "t2t_vit_14"])
def test_features_without_a_pool(name):
    model = vitdsl.build(name, device="meta").eval()
    images = torch.empty(1, 3, *model.image_size, device="meta")
    model.reset_classifier(0, "avg")
    assert model(images).shape == (1, model.num_features)
    model.reset_classifier(0, "")
    found = model(images)
    assert found.ndim > 2
    assert model.num_features in found.shape


def test_two_streams_without_classes_give_the_features_of_both():
    model, images = small("crossvit_tiny").double(), torch.randn(2, 3, 64, 64).double()
    model.reset_classifier(0)
    found = model(images)
    parts = model.forward_head(model.forward_features(images), pre_logits=True)
    close(found, torch.cat([*parts.values()], dim=1))
    assert found.shape == (2, model.num_features)
    model.reset_classifier(7)
    assert model(images).shape == (2, 7)


def test_a_head_without_a_pool_has_no_other():
    model = vitdsl.build({**spec_of("mlp"), "head": [{"at": "first", "mlp": {}}, "classifier"]}, device="meta")
    with pytest.raises(ValueError, match="a body without an item `pool`"):
        model.reset_classifier(0, "avg")
