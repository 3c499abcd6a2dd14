"""`vitdsl label`: labels from a file of weights, and what it refuses before any work."""

import json

import pytest
import torch

import vitdsl
from tests.training.pictures import spec_of
from vitdsl.checkpoints.files import write_weights
from vitdsl.training.data import load_photos
from vitdsl.training.label import label, labeller_of
from vitdsl.training.label_file import read_header


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    spec = spec_of(10, 1)
    (folder / "t.yaml").write_text(spec.dump())
    torch.manual_seed(0)
    write_weights(folder / "t.safetensors", vitdsl.build(spec).state_dict())
    return folder


def test_labels_are_those_of_python(run, teacher, tmp_path):
    given = ["label", "digits", "--teacher", teacher / "t.yaml", "--weights", teacher / "t.safetensors"]
    found = run(*given, "-o", tmp_path / "a.safetensors", "--batch", 300, "--count", 3, "--json")
    assert found.code == 0, found.err
    assert "labelled 1,347 of 1,347 photos" in found.err
    model = vitdsl.build(spec_of(10, 1)).eval()
    vitdsl.load_weights(model, teacher / "t.safetensors")
    made = label(labeller_of(model), "digits", tmp_path / "b.safetensors", batch=300, count=3)
    said = json.loads(found.out)
    assert said["agreement"] == made.agreement
    assert said["grid"] == [4, 4]
    first, second = (read_header(tmp_path / f"{name}.safetensors") for name in "ab")
    assert first._replace(teacher="") == second._replace(teacher="")


def test_size_and_share(run, teacher, tmp_path):
    given = ["label", "digits", "--teacher", teacher / "t.yaml", "--weights", teacher / "t.safetensors"]
    out = tmp_path / "a.safetensors"
    found = run(*given, "-o", out, "--size", "24x32", "--validation", "0.9", "--batch", 100)
    assert found.code == 0, found.err
    header = read_header(out)
    assert (header.size, header.grid) == ((24, 32), (6, 8))
    assert header.photos == len(load_photos("digits", 0.9).train)
    assert f"written to {out}" in found.out


@pytest.mark.parametrize(("options", "said"), [
    (["-o", "a.pth"], "'a.pth' does not end in .safetensors"),
    (["-o", "no/a.safetensors"], "there is no folder 'no'"),
    (["--size", "x"], "'x' is not a size"),
    (["--validation", "1"], "'1.0' is not a share between 0 and 1"),
    (["--teacher", "deit_tiny"], "a teacher that is a spec needs weights, or it knows nothing"),
    (["--teacher", "timm:resnet10t", "--set", "a=1"], "models of timm have no paths"),
    (["--teacher", "timm:resnet10t", "--weights", "w.pth", "--layout", "timm"], "timm reads the weights of its models"),
    (["--teacher", "timm:resnet10_q"], "timm has no model `resnet10_q`"),
    (["--teacher", "timm:resnet10t", "--weights", "w.pth"], "there is no file `w.pth`"),
])  # fmt: skip
def test_wrong_calls(options, said, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"--teacher": "deit_tiny", "-o": "a.safetensors"}
    rest = [part for name, value in given.items() if name not in options for part in (name, value)]
    found = run("label", "digits", *rest, *options)
    assert found.code != 0
    assert said in " ".join(found.err.replace("│", "").split())
    assert [*tmp_path.iterdir()] == []
