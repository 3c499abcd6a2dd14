"""Models as folders and repositories: what comes back is the same, without a network, and nothing of it is run."""

import json
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import vitdsl
from tests.compiler.small import assert_same, small
from vitdsl.checkpoints.files import read_metadata, write_weights
from vitdsl.checkpoints.header import SPEC_TEXT
from vitdsl.cli import main
from vitdsl.errors import CheckpointError, InputError
from vitdsl.exporting import hub

FILES = {"model.safetensors", "spec.yaml", "README.md"}
TINY = {
    "name": "tiny",
    "input": {"size": 8},
    "classes": 3,
    "stages": [{"tokenizer": {"type": "patch", "size": 2, "dim": 8}, "depth": 2, "block": [{"mlp": {"ratio": 2}}]}],
    "head": {"pool": "mean"},
}


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("this asks the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture
def folder(tmp_path):
    """A folder of a tiny model."""
    vitdsl.save_pretrained(vitdsl.build(TINY), tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.mark.parametrize("name", ["cvt13", "swin_tiny", "crossvit_tiny"])
def test_a_model_comes_back(name, tmp_path, no_network):
    model = small(name)
    vitdsl.save_pretrained(model, tmp_path / "a" / name)
    assert {path.name for path in (tmp_path / "a" / name).iterdir()} == FILES
    other = vitdsl.from_pretrained(tmp_path / "a" / name)
    assert other.training
    assert (other.spec, other.spec.name) == (model.spec, model.spec.name)
    assert_same(model, other.eval())


def test_what_was_built_otherwise(tmp_path, no_network):
    backbone = vitdsl.build("pvt_tiny", features=[1, 0], size=64)
    vitdsl.save_pretrained(backbone, tmp_path / "maps")
    other = vitdsl.from_pretrained(str(tmp_path / "maps"))
    assert (other.features, other.image_size) == (backbone.features, (64, 64))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert all(torch.equal(*pair) for pair in zip(other.eval()(image), backbone.eval()(image), strict=True))
    folded = vitdsl.fold(small("levit_128s"))
    vitdsl.save_pretrained(folded, tmp_path / "folded")
    assert vitdsl.from_pretrained(tmp_path / "folded").folded


def test_a_model_that_was_given_other_layers(tmp_path):
    model = vitdsl.build(TINY)
    model.register_parameter("adapter", torch.nn.Parameter(torch.zeros(1)))
    with pytest.raises(CheckpointError, match="the spec `tiny` does not say adapter"):
        vitdsl.save_pretrained(model, tmp_path / "a")
    assert not (tmp_path / "a").exists()


# ---------------------------------------------------------------- what is refused


def rewritten(folder, header):
    path = folder / "model.safetensors"
    state = dict(vitdsl.build(TINY).state_dict())
    texts = {key: text for key, text in (read_metadata(path) | header).items() if text is not None}
    texts.pop("vitdsl.grids", None)
    write_weights(path, state, texts)


@pytest.mark.parametrize(("header", "said"), [
    ({SPEC_TEXT: None}, "no spec stands in its header"),
    ({SPEC_TEXT: "stages: 3"}, "is wrong"),
    ({SPEC_TEXT: "cvt13"}, "is wrong"),
    ({SPEC_TEXT: "extends: cvt13"}, "extends another file"),
    ({SPEC_TEXT: "&a [*a]"}, "is wrong"),
    ({"vitdsl.options": "["}, "are not valid"),
    ({"vitdsl.options": "[]"}, "are not valid"),
    ({"vitdsl.options": json.dumps({"device": "cpu"})}, "are not valid"),
    ({"vitdsl.options": json.dumps({"size": "8"})}, "are not valid"),
    ({"vitdsl.options": json.dumps({"features": ["x"]})}, "`features` must name maps"),
    ({"vitdsl.options": json.dumps({"size": [12, 8]})}, None),
    ({SPEC_TEXT: vitdsl.load(TINY, set={"stages[0].depth": 3}).dump()}, "this is not the spec in the header"),
])  # fmt: skip
def test_what_a_stranger_wrote(folder, header, said):
    rewritten(folder, header)
    if said is None:
        assert vitdsl.from_pretrained(folder).image_size == (12, 8)
        return
    with pytest.raises(InputError) as caught:
        vitdsl.from_pretrained(folder)
    assert said in str(caught.value)


def test_damage(folder):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    for end in (0, 4, 100, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(CheckpointError, match=r"damaged|neither|not whole"):
            vitdsl.from_pretrained(folder)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"there is no model\.safetensors in this folder"):
        vitdsl.from_pretrained(folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(CheckpointError, match=r"there is no model\.safetensors in this folder"):
        vitdsl.from_pretrained(folder)


def test_no_folder(no_network, tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match="there is no folder `nothing`"):
        vitdsl.from_pretrained("nothing")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(CheckpointError, match=r"a/b.*needs huggingface_hub: pip install 'vitdsl\[predict\]'"):
        vitdsl.from_pretrained("a/b")


# ---------------------------------------------------------------- the hub


def test_a_repository(folder, monkeypatch):
    """What the hub's own library is asked for; it is not there."""
    asked = []

    def download(repository, **options):
        asked.append((repository, options))
        return str(folder)

    def create(repository, **options):
        asked.append((repository, options))

    def upload(**options):
        asked.append({path.name for path in Path(options["folder_path"]).iterdir()})
        return "https://hub/commit/1"

    library = SimpleNamespace(snapshot_download=download, create_repo=create, upload_folder=upload)
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    model = vitdsl.from_pretrained("someone/tiny", revision="v1")
    name, options = asked.pop()
    assert (name, options["revision"], options["allow_patterns"]) == (
        "someone/tiny", "v1", ["model.safetensors", "spec.yaml"],
    )  # fmt: skip
    assert vitdsl.push_to_hub(model, "someone/other", private=True) == "https://hub/commit/1"
    assert asked == [("someone/other", {"private": True, "exist_ok": True, "token": None}), FILES]

    def fail(*_, **__):
        raise RuntimeError("401 \n more")

    library.snapshot_download = library.create_repo = fail
    with pytest.raises(CheckpointError, match="someone/tiny cannot be had from the Hugging Face hub: 401"):
        vitdsl.from_pretrained("someone/tiny")
    with pytest.raises(CheckpointError, match="someone/tiny cannot be written: 401"):
        vitdsl.push_to_hub(model, "someone/tiny")


def test_the_hub_is_loaded_when_it_is_asked():
    assert hub.HUB_FILE == "model.safetensors"
    assert "from_pretrained" in dir(vitdsl)


# ---------------------------------------------------------------- the command line


def test_a_folder_is_weights(folder, capsys):
    assert main(["build", str(folder / "spec.yaml"), "--weights", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weights"] == "copied: 16"
    (folder / "model.safetensors").unlink()
    assert main(["build", str(folder / "spec.yaml"), "--weights", str(folder)]) == 1
    assert "there is no model.safetensors in this folder" in capsys.readouterr().err


def test_what_build_saves_can_be_a_model(tmp_path, capsys):
    assert main(["build", "cct_2_3x2_32", "--save", str(tmp_path / "model.safetensors")]) == 0
    assert vitdsl.from_pretrained(tmp_path).spec == vitdsl.load("cct_2_3x2_32")
