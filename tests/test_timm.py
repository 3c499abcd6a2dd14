"""The zoo in timm: its names, timm's arguments with timm's meaning, weights, and preprocessing."""

import subprocess
import sys

import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

import vitdsl
import vitdsl.timm  # registers
from vitdsl.checkpoints.files import write_weights
from vitdsl.checkpoints.sources import LocalFile
from vitdsl.compiler.model import Backbone
from vitdsl.errors import CheckpointError, InputError
from vitdsl.preprocess import transform
from vitdsl.resolve.files import shipped


def create(name, **given):
    return timm.create_model(f"vitdsl_{name}", **given)


def test_every_shipped_spec_has_its_name():
    assert {*timm.list_models("vitdsl_*")} == {f"vitdsl_{path.stem}" for path in shipped().glob("*.yaml")}


def test_nothing_of_it_is_loaded_without_it():
    code = "import sys, vitdsl.api; print('timm' in sys.modules, 'vitdsl.timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False False\n"


def test_maps_as_timm_gives_them():
    model = create("cvt13", features_only=True, out_indices=(0, -1), img_size=(64, 96), in_chans=1, device="meta")
    assert isinstance(model, Backbone)
    assert model.feature_info.channels() == [64, 384]
    assert [tuple(each.shape) for each in model(torch.empty(2, 1, 64, 96, device="meta"))] == [
        (2, 64, 16, 24),
        (2, 384, 4, 6),
    ]
    assert len(create("swin_tiny", features_only=True, device="meta").feature_info) == 4
    assert create("cvt13", features_only=True, out_indices=2, device="meta").feature_info.reduction() == [8, 16]


def test_whole_models():
    model = create("pvt_tiny", num_classes=7, global_pool="avg", img_size=64, device="meta")
    assert model(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 7)
    assert model.spec.model.classes == 7
    assert create("pvt_tiny", num_classes=0, device="meta").get_classifier() is None


@pytest.mark.parametrize("name", ["pvt_tiny", "cvt13", "resnet18"])
def test_drop_rates(name):
    model = create(name, drop_path_rate=0.4, device="meta")
    found = [module.rate for module in model.modules() if hasattr(module, "rate")]
    own = model.spec.model.drop_path
    assert (max(own.rate) if isinstance(own.rate, list) else own.rate) == pytest.approx(0.4, rel=0, abs=1e-12)
    assert max(found) == pytest.approx(0.4, rel=0, abs=1e-12)
    assert create(name, drop_path_rate=0.0, device="meta").spec.model.drop_path is None


@pytest.mark.parametrize(("given", "said"), [
    ({"drop_rate": 0.1}, "has no argument `drop_rate` [E618]\n  hint: did you mean 'drop_path_rate'?"),
    ({"qk_norm": True}, "has no argument `qk_norm`"),
    ({"out_indices": [1]}, "`out_indices` says which maps a backbone gives"),
    ({"features_only": True, "out_indices": [4]}, "it has 4 of them"),
    ({"in_chans": 0}, "channels"),
])  # fmt: skip
def test_what_is_refused(given, said):
    with pytest.raises(InputError) as caught:
        create("swin_tiny", **given)
    assert said in str(caught.value)


def test_weights_that_nobody_states():
    with pytest.raises(
        CheckpointError, match=r"nobody states where weights of `pvt_tiny` are \[E709\]\n  hint: weights of your"
    ):
        create("pvt_tiny", pretrained=True)


@pytest.fixture
def official(tmp_path):
    """Weights of a small model in the authors' layout, as a file."""
    spec = vitdsl.load("pvt_tiny")
    model = vitdsl.build(spec)
    path = tmp_path / "pvt.safetensors"
    write_weights(path, vitdsl.convert(model.state_dict(), spec, to="official"))
    return model, path


def test_weights_of_a_file(official):
    whole, path = official
    state = whole.state_dict()
    overlay = {"pretrained_cfg_overlay": {"file": str(path)}, "pretrained": True}
    backbone = create("pvt_tiny", features_only=True, out_indices=(0, 1), **overlay)
    assert all(torch.equal(tensor, state[key]) for key, tensor in backbone.state_dict().items())
    other = create("pvt_tiny", num_classes=3, in_chans=1, **overlay)
    assert other.num_classes == 3
    key = "stages.0.tokenizer.0.conv.weight"
    torch.testing.assert_close(other.state_dict()[key], state[key].sum(1, keepdim=True), rtol=0, atol=1e-6)


def test_published_weights(official, monkeypatch):
    """What is downloaded is a file in a layout that its source names; here it is no download."""
    whole, path = official
    asked = []

    def fetched(source, folder=None):
        asked.append((source.spec, source.layout, folder))
        return LocalFile(path, "")

    monkeypatch.setattr(vitdsl.timm, "fetch", fetched)
    known = [type("Source", (), {"spec": "pvt_tiny", "layout": layout}) for layout in ("timm", "official")]
    monkeypatch.setattr(vitdsl.timm, "sources", lambda: known)
    monkeypatch.setattr(vitdsl.timm, "source_of", lambda spec, layout: next(s for s in known if s.layout == layout))
    model = create("pvt_tiny", pretrained=True, cache_dir="cache")
    assert asked == [("pvt_tiny", "official", "cache")]
    assert all(torch.equal(tensor, whole.state_dict()[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", ["cvt13", "tnt_small", "resnet50", "cct_7_3x1_32"])
def test_preprocessing_is_ours(name):
    photo = Image.fromarray(load_sample_image("china.jpg"))
    config = timm.data.resolve_model_data_config(create(name, device="meta"))
    mine, theirs = transform(vitdsl.load(name))(photo), timm.data.create_transform(**config)(photo)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)
