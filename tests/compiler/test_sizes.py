"""Images of another size: exactly what a model built for them gives, or one error with both sizes."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import nn

import vitdsl
from tests.compiler.sizes_table import PAGE, builds, in_words, multiple, takes, written
from tests.compiler.small import SMALL
from tests.zoo.specs import all_of_them, smallest
from vitdsl.compiler.checkpointing import is_checkpointed
from vitdsl.compiler.model import VisionModel
from vitdsl.errors import ImageError, SpecError
from vitdsl.spec import Spec

LIMIT = 1e-9
PAIRS = [((16, 32), (32, 16)), ((16, 16), (32, 32)), ((32, 48), (24, 18))]
"""Built for and fed: turned, larger, smaller and with a remainder."""
SIZES = [(16, 32), (32, 16), (16, 16), (24, 40), (18, 32)]
ALL_PAIRS = [pytest.param(*pair, marks=pytest.mark.full) for pair in itertools.permutations(SIZES, 2)]
ATTEND = {"type": "global", "heads": 2}


def mixer(**more: Any) -> dict[str, Any]:
    return {"mixer": {**ATTEND, **more}}


def at(position: str) -> dict[str, Any]:
    return {"body": [mixer(position=position), "mlp"]}


STAGES: dict[str, dict[str, Any]] = {
    "plain": {"body": [mixer(), "mlp"]},
    "tokens": {"tokens": ["cls"], "position": "learned", "body": [mixer(keys="all", **{}), "mlp"]},
    "learned": {"position": "learned"},
    "learned_windows": {"position": {"type": "learned", "windows": 2}},
    "sincos2d": {"position": "sincos2d"},
    "sinusoid": {"position": "sinusoid"},
    "relative_bias": at("relative_bias"),
    "offset_bias": at("offset_bias"),
    "offset_bias_strided": {"body": [{**mixer(position="offset_bias", query={"stride": 2}), "residual": False}]},
    "relative_2d": at("relative_2d"),
    "on_keys": at("on_keys"),
    "peg": {"body": [mixer(), "peg", mixer()]},
    "windows": {"body": [{"windows": 2, **mixer()}, {"windows": 2, "conv": {"kernel": 3}}]},
    "windows_with_bias": {"body": [{"windows": 2, **mixer(position="relative_bias")}]},
    "windows_shifted": {"body": [{"windows": {"size": 4, "shift": 2}, **mixer(position="relative_bias")}, "mlp"]},
    "windows_padded": {"body": [{"windows": {"size": 3, "fit": "pad"}, **mixer()}, "mlp"]},
    "windows_of_the_grid": {"body": [{"windows": 4, **mixer()}, "mlp"]},
    "windows_dropped": {"body": [{"windows": 2, **mixer(), "drop_path": 0.5}]},
    "windows_with_a_token": {
        "body": [{"windows": 2, "body": [{"parallel": [[], [{"pool": "mean"}]], "merge": "multiply"}]}]
    },
    "merge": {"tokenizer": {"type": "merge", "kernel": 4, "dim": 8}},
    "patch_filled_up": {"tokenizer": {"type": "patch", "size": 5, "dim": 8, "fit": "pad"}, "body": [mixer(), "peg"]},
    "merge_filled_up": {"tokenizer": [{"conv": {"dim": 8, "kernel": 4, "stride": 4}}, {"type": "merge", "fit": "pad"}]},
    "unfold_filled_up": {
        "body": [{"unfold": {"kernel": 3, "stride": 2, "padding": 0, "fit": "pad"}}, {"conv": {"kernel": 3}}]
    },
    "unfold": {"body": [{"unfold": {"kernel": 3, "stride": 2, "padding": 1}}, {"linear": 8}]},
    "fold": {"body": [{"unfold": 2}, {"fold": 2}]},
    "conv": {"body": [{"conv": {"kernel": 3, "stride": 2}}, {"conv": {"kernel": 2, "stride": 2, "padding": "same"}}]},
    "pool": {"body": [{"pool": {"type": "max", "kernel": 3, "stride": 2, "padding": 1}}]},
    "dynamic": {"body": [{"conv": {"kernel": 3, "groups": 8, "kernels": {"by": "position"}}}]},
    "resize_to_image": {"body": [{"resize": "image"}, {"conv": {"kernel": 3}}]},
    "resize_by": {"body": [{"resize": {"scale": 0.5}}, {"conv": {"kernel": 3}}]},
    "resize_to": {"body": [{"resize": {"size": 4}}, mixer(position="relative_bias")]},
    "lowrank": {"body": [{"mixer": {"type": "lowrank", "rank": 3, "heads": 2}}]},
    "over_tokens": {"body": [{"mlp": {"over": "tokens"}}]},
    "maps": {"body": [mixer(maps={"after": [{"conv": {"kernel": 3, "groups": 2}}, {"norm": "batch"}]})]},
    "normed_keys": {"body": [mixer(activation="batch")]},
    "subsampled": {"body": [{"mixer": {"type": "subsampled", "stride": 2, "norm": "layer", "heads": 2}}]},
    "late_scale": {"body": [{"scale": {"value": "$(1 / height)"}}, "mlp"]},
    "late_width": {"body": [{"linear": {"dim": "$(2 * width)"}}]},
    "late_mlp": {"body": [{"mlp": {"hidden": "$(height + width)"}}]},
    "late_windows": {"body": [{"windows": "$(height // 2)", **mixer()}]},
    "late_repeat": {"body": [{"repeat": "$(width // 2)", "linear": {"dim": 8}}]},
    "late_dropout": {"body": [mixer(dropout="$(1 / (2 * height))"), "mlp"]},
    "late_scale_of_layers": {"body": [{**mixer(), "layer_scale": "$(1 / width)"}]},
    "late_resize": {"body": [{"resize": {"size": "$(height // 2)"}}, {"conv": {"kernel": 3}}]},
    "late_tokens": {"body": [{"conv": {"kernel": 3, "stride": "$(height // 2)"}}]},
    "joined": {"tokens": ["cls"], "body": [{"at": "grid", "write": "kept", "mlp": {}}, mixer(keys=["self", "kept"])]},
}  # fmt: skip


def spec_of(stage: dict[str, Any]) -> dict[str, Any]:
    tokenizer = {"tokenizer": {"type": "patch", "size": 4, "dim": 8}}
    return {"name": "s", "classes": 5, "stages": [{**tokenizer, **stage}], "head": {"pool": "mean"}}


def filled(spec: Spec, size: tuple[int, int]) -> VisionModel:
    torch.manual_seed(0)
    model = vitdsl.build(spec, size=size).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def built_for(spec: Spec, size: tuple[int, int], source: VisionModel) -> VisionModel | None:
    """A model that was built for a size, with the weights of another, where there is one and they fit."""
    try:
        model = vitdsl.build(spec, size=size).double().eval()
        vitdsl.load_weights(model, source.state_dict())
    except ValueError:  # the spec, or the weights, are refused
        return None
    return model


def names(error: BaseException, *sizes: tuple[int, int]) -> bool:
    return all(f"{height}x{width}" in str(error) for height, width in sizes)


def check(spec: Spec, built: tuple[int, int], fed: tuple[int, int]) -> None:
    """Feeds a model images of another size, and makes it a model for them."""
    try:
        model = filled(spec, built)
    except SpecError:
        return
    kept = copy.deepcopy(model)
    wanted = built_for(spec, fed, model)
    images = torch.randn(2, model.lowered.frame.features[0].dim, *fed, dtype=torch.float64)
    with torch.no_grad():
        expected = None if wanted is None else wanted(images)
        found, refused = _tried(lambda: model(images))
        if refused is not None:
            assert isinstance(refused, ImageError)
            assert names(refused, built, fed)
        else:
            assert expected is not None, "no model can be built for this size"
            assert (found - expected).abs().max() <= LIMIT
            for mine, other in zip(_values(model, images), _values(wanted, images), strict=True):
                assert (mine - other).abs().max() <= LIMIT
        _, refused = _tried(lambda: model.set_input_size(*fed))
        if refused is not None:
            assert wanted is None, str(refused)
            assert isinstance(refused, SpecError) or names(refused, built, fed)
            _same(model, kept)
            return
        assert wanted is not None
        assert torch.equal(model(images), expected)
        _same(model, wanted)
        restored, other = (pickle.loads(pickle.dumps(each)) for each in (model, wanted))
        assert torch.equal(restored(images), other(images))
        assert torch.equal(copy.deepcopy(model)(images), expected)


def _tried(call: Callable[[], Any]) -> tuple[Any, ValueError | None]:
    """What a call gives, or the error of ours that it raises."""
    try:
        return call(), None
    except (ImageError, SpecError) as error:
        return None, error


def _values(model: VisionModel, images: torch.Tensor) -> list[torch.Tensor]:
    """All that a backbone gives of some images."""
    features = model.forward_features(images)
    maps = model.forward_intermediates(images, intermediates_only=True) if model.feature_info else []
    return [*(features.values() if isinstance(features, dict) else [features]), *maps]  # type: ignore[list-item]


def _same(model: VisionModel, wanted: VisionModel) -> None:
    """The same weights, code and layers."""
    state, other = model.state_dict(), wanted.state_dict()
    assert list(state) == list(other)
    assert all(torch.equal(tensor, other[key]) for key, tensor in state.items())
    assert {k: t.shape for k, t in model.named_buffers()} == {k: t.shape for k, t in wanted.named_buffers()}
    assert str(model) == str(wanted)
    code = [{path: getattr(part, "code", "") for path, part in each.named_modules()} for each in (model, wanted)]
    assert code[0] == code[1]
    assert model.image_size == wanted.image_size


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize(("built", "fed"), [*PAIRS, *ALL_PAIRS])
def test_a_small_model_of_another_size(name: str, built: tuple[int, int], fed: tuple[int, int]) -> None:
    check(vitdsl.load(spec_of(STAGES[name])), built, fed)


FAMILIES = {
    **{name: edits for name, edits in SMALL.items() if name != "swin_tiny"},
    "pit_ti": {"input.size": 64}, "cpvt_tiny": {"input.size": 64},
    "resnet18": {"input.size": 64}, "botnet50": {"input.size": 64}, "twins_svt_small": {"stages[2].pairs": 2},
    "pvt_tiny": {"input.size": 64}, "convnext_tiny": {"input.size": 64, "stages[2].depth": 1},
    "simple_vit_small16": {"input.size": 64, "stages[0].depth": 1}, "dwnet_tiny": {"stages[2].depth": 1},
    "swin_tiny": {"stages[2].depth": 2},
}  # fmt: skip


BY_DEFAULT = ["deit_tiny_distilled", "levit_128s", "tnt_small", "resnet18"]
"""A learned table, tables of offsets, windows, convolutions."""


@pytest.mark.parametrize("name", all_of_them(BY_DEFAULT, [*FAMILIES]))
def test_a_family_at_another_size(name: str) -> None:
    spec = vitdsl.load(name, {**FAMILIES[name], "classes": 5})
    height, width = spec.model.input.size
    check(spec, (height, width), (2 * height, width))
    check(spec, (height, width), (height - 3, width))


@pytest.mark.full
@pytest.mark.parametrize("name", smallest())
def test_a_shipped_spec_at_another_size(name: str) -> None:
    """Without values: the families above have the same parts at sizes that can be computed."""
    spec = vitdsl.load(name, {"classes": 5})
    height, width = spec.model.input.size
    for fed in ((2 * height, width), (height // 2, height // 2), (height + 1, width)):
        model = vitdsl.build(spec, "meta").eval()
        images = torch.empty(2, model.lowered.frame.features[0].dim, *fed, device="meta")
        found, refused = _tried(lambda model=model, images=images: model(images))
        wanted, impossible = _tried(lambda fed=fed: vitdsl.build(spec, "meta", size=fed).eval())
        assert names(refused, (height, width), fed) if refused is not None else found.shape == (2, 5)
        assert impossible is None or refused is not None
        _, refused = _tried(lambda model=model, fed=fed: model.set_input_size(*fed))
        if refused is None:
            assert {k: t.shape for k, t in model.state_dict().items()} == {
                k: t.shape for k, t in wanted.state_dict().items()
            }
            assert model.code == wanted.code
            assert model(images).shape == (2, 5)


@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (3, 16, 16), (2, 4, 16, 16), (1, 2, 3, 16, 16)])
def test_what_is_no_batch_of_images_is_refused(shape: tuple[int, ...]) -> None:
    model = vitdsl.build(spec_of(STAGES["plain"]), size=16)
    for call in (model, model.forward_features, model.forward_intermediates):
        with pytest.raises(ImageError, match=r"takes images of shape \(B, 3, 16, 16\), but was fed \("):
            call(torch.zeros(shape))


def test_set_input_size_keeps_hooks_modes_what_is_frozen_and_what_others_put_in() -> None:
    spec = vitdsl.load(spec_of({"tokens": ["cls"], "position": "learned", "depth": 2, "block": [mixer(), "mlp"]}))
    model = vitdsl.build(spec, size=(16, 32)).train()
    position, block = model.get_submodule("stages.0.position"), model.get_submodule("stages.0.block.1")
    own = nn.Identity()
    block.get_submodule("1.mlp").activation = own
    called: list[str] = []
    position.register_forward_hook(lambda *_: called.append("position"))
    position.weight.requires_grad_(False)
    block.eval()
    model.set_grad_checkpointing()
    before = dict(model.named_parameters())
    model.set_input_size((32, 32))
    after = dict(model.named_parameters())
    assert [name for name in after if after[name] is not before[name]] == ["stages.0.position.weight"]
    assert not after["stages.0.position.weight"].requires_grad
    assert model.get_submodule("stages.0.block.1.1.mlp.activation") is own
    assert model.get_submodule("stages.0.position") is position
    assert model.training
    assert not model.get_submodule("stages.0.block.1").training
    assert is_checkpointed(model.get_submodule("stages.0.block.0"))
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    assert called == ["position"]


@pytest.mark.parametrize("call", [((16, 32),), (16, 32), (24,)])
def test_set_input_size_takes_a_pair_two_numbers_or_a_side(call: Any) -> None:
    model = vitdsl.build(spec_of(STAGES["learned"]), size=16)
    model.set_input_size(*call)
    assert model.image_size == (call[0] if isinstance(call[0], tuple) else (call[0], call[-1]))
    model.set_input_size(img_size=(16, 16))
    assert model.image_size == (16, 16)


def test_weights_without_a_rule_are_refused() -> None:
    model = vitdsl.build(spec_of(STAGES["over_tokens"]), size=16)
    with pytest.raises(ImageError, match=r"no rule resizes the weights of `stages\.0\.body\.0\.mlp\.fc1\.weight`"):
        model.set_input_size(32)
    assert model.image_size == (16, 16)


def test_a_model_for_any_size_compiles_once_for_all() -> None:
    torch.compiler.reset()
    model = vitdsl.build(spec_of(STAGES["peg"] | {"position": "learned"}), size=16).double().eval()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        for size in ((16, 16), (32, 48), (48, 16)):
            images = torch.randn(2, 3, *size, dtype=torch.float64)
            assert (compiled(images) - model(images)).abs().max() <= LIMIT


def test_a_model_for_one_size_refuses_others_when_it_is_compiled_exported_and_traced() -> None:
    torch.compiler.reset()
    model = vitdsl.build(spec_of(STAGES["windows_shifted"]), size=(16, 32)).eval()
    turned = torch.randn(2, 3, 32, 16)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    compiled(torch.randn(2, 3, 16, 32))
    with pytest.raises(Exception, match="built for images of 16x32, and was fed one of 32x16"):
        compiled(turned)
    height, width = (torch.export.Dim(name, min=2, max=32) for name in ("h", "w"))
    with pytest.raises(Exception, match="specialized it to be a constant"):
        torch.export.export(model, (torch.randn(2, 3, 16, 32),), dynamic_shapes=({2: 4 * height, 3: 4 * width},))
    refused = pytest.raises(ImageError, match="built for images of 16x32, and was fed one of 32x16")
    with pytest.warns(FutureWarning, match="is deprecated"), refused:
        torch.jit.trace(model, turned)


@pytest.mark.full
def test_the_table_of_sizes_is_true() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "out of date: python -m tests.compiler.sizes_table writes it"


@pytest.mark.parametrize("name", ["vit_tiny16", "swin_tiny", "t2t_vit_7", "resnet18"])
def test_rows_of_the_table_of_sizes(name: str) -> None:
    """Those of a few families, of which each is another kind."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = {"vit_tiny16": (16, 16), "swin_tiny": (None, 224), "t2t_vit_7": (4, 4), "resnet18": (1, 1)}[name]
    assert (multiple(name, takes), multiple(name, builds)) == wanted
    row = f"| {in_words(wanted[0])} | {in_words(wanted[1])} |"
    smallest = {"swin_tiny": "depthwise_swin_tiny"}.get(name, name)
    assert any(line.startswith(f"| `{smallest}`") and line.endswith(row) for line in page.splitlines())


@pytest.mark.full
def test_a_merge_that_is_filled_up_is_timms() -> None:
    """At 112 pixels a grid of 7x7 is merged, which becomes 4x4."""
    torch.manual_seed(0)
    theirs = timm.create_model("swin_tiny_patch4_window7_224", img_size=112, num_classes=7).double().eval()
    spec = vitdsl.load("swin_tiny", {"classes": 7, "stages[3].tokenizer": {"type": "merge", "fit": "pad"}})
    model = vitdsl.build(spec, size=112).double().eval()
    vitdsl.load_weights(model, theirs.state_dict(), layout="timm")
    images = torch.randn(1, 3, 112, 112, dtype=torch.float64)
    with torch.no_grad():
        assert (model(images) - theirs(images)).abs().max() <= LIMIT
