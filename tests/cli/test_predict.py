"""`vitdsl predict`: two real photos, as timm sees them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from timm.data import ImageNetInfo, create_transform, resolve_data_config
from torch import Tensor, nn

import vitdsl
from tests.parity import fingerprint
from vitdsl.checkpoints.files import write_weights
from vitdsl.cli.predict import predictions

FAMILIES = {
    "deit_tiny": "deit_tiny_patch16_224",
    "swin_tiny": "swin_tiny_patch4_window7_224",
    "convnext_tiny": "convnext_tiny",
    "cait_xxs24": "cait_xxs24_224",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / "china.png", folder / "flower.png"]
    for path in paths:
        Image.fromarray(load_sample_image(path.with_suffix(".jpg").name)).save(path)
    return paths


def filled(name: str, **options: object) -> tuple[nn.Module, dict[str, Tensor]]:
    """timm's model, every floating tensor from its key, in float64."""
    model = timm.create_model(name, **options).double().eval()
    state = {
        key: torch.from_numpy(np.ascontiguousarray(fingerprint.fill(key, tuple(tensor.shape))))
        if tensor.is_floating_point()
        else tensor
        for key, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model, state


def timms(model: nn.Module, photos: list[Path]) -> tuple[list[Tensor], dict[str, object]]:
    """Its logits, and what our spec must say of images to agree with its configuration."""
    config = resolve_data_config({}, model=model)
    apply = create_transform(**config)
    with torch.no_grad():
        logits = [model(apply(Image.open(path)).double()[None])[0] for path in photos]
    return logits, {"input.crop": config["crop_pct"], "input.interpolation": config["interpolation"]}


def test_photos_as_timm_sees_them(run, photos, tmp_path):
    theirs, state = filled("deit_tiny_patch16_224", depth=1)
    expected, said = timms(theirs, photos)
    write_weights(tmp_path / "w.safetensors", state)
    options = [part for path, value in {**said, "stages[0].depth": 1}.items() for part in ("--set", f"{path}={value}")]
    call = ["predict", "deit_tiny", *photos, "--weights", tmp_path / "w.safetensors", "--layout", "timm", *options]
    found = run(*call, "--json")
    assert found.code == 0, found.err
    images = json.loads(found.out)["images"]
    assert [image["image"] for image in images] == [str(path) for path in photos]
    name = ImageNetInfo().index_to_description
    for image, logits in zip(images, expected, strict=True):
        assert [best["class"] for best in image["top"]] == logits.topk(5).indices.tolist()
        assert [best["name"] for best in image["top"]] == [name(best["class"]) for best in image["top"]]
    text = run(*call, "--top", "2").out
    assert len(text.splitlines()) == 1 + 2 * 2
    assert name(int(expected[0].argmax())) in text


@pytest.mark.parametrize("spec", [
    pytest.param(spec, marks=() if spec == "deit_tiny" else pytest.mark.full) for spec in FAMILIES
])  # fmt: skip
def test_logits_are_timms(spec, photos):
    theirs, state = filled(FAMILIES[spec])
    expected, said = timms(theirs, photos)
    model = vitdsl.build(vitdsl.load(spec, said), device="meta", training_outputs=False).double().eval()
    vitdsl.load_weights(model, state, "timm")
    for image, logits in zip(predictions(model, photos, 1000), expected, strict=True):
        found = torch.tensor([best["logit"] for best in image["top"]], dtype=torch.float64)
        wanted = logits[[best["class"] for best in image["top"]]]
        assert (found - wanted).abs().max().item() <= fingerprint.LIMIT * max(1.0, wanted.abs().max().item())
        assert abs(sum(best["probability"] for best in image["top"]) - 1) < 1e-9


def test_wrong_calls(run, photos, tmp_path, monkeypatch):
    weights = tmp_path / "w.safetensors"
    spec = vitdsl.load("deit_tiny", {"stages[0].depth": 1, "classes": 3})
    write_weights(weights, vitdsl.build(spec).state_dict())
    small = ["--weights", weights, "--set", "stages[0].depth=1", "--set", "classes=3"]
    assert run("predict", "deit_tiny", photos[0]).code == 2
    assert run("predict", "deit_tiny", *small[:-1], "classes=0", photos[0]).code == 2
    missing = run("predict", "deit_tiny", tmp_path / "none.png", *small)
    assert (missing.code, "none.png" in missing.err) == (1, True)
    refused = run("predict", "deit_tiny", weights, *small)
    assert (refused.code, "not a photo" in refused.err) == (1, True)
    found = json.loads(run("predict", "deit_tiny", photos[0], *small, "--json").out)
    assert [best["name"] for best in found["images"][0]["top"]] == [None] * 3
    monkeypatch.setitem(sys.modules, "PIL", None)
    refused = run("predict", "deit_tiny", photos[0], *small)
    assert (refused.code, "pip install 'vitdsl[predict]'" in refused.err) == (2, True)
