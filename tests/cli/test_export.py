"""`vitdsl export`."""

import importlib.util
import json

import pytest
import torch

import vitdsl
from tests.cli.test_build import TINY
from vitdsl.checkpoints.files import read_metadata, write_weights


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def test_a_program_with_weights(run, tiny, tmp_path):
    model = vitdsl.build(tiny)
    write_weights(tmp_path / "weights.safetensors", model.state_dict())
    file = tmp_path / "tiny.pt2"
    found = run("export", tiny, "-o", file, "--weights", tmp_path / "weights.safetensors", "--dynamic", "batch, height")
    assert found.code == 0, found.err
    assert found.err.splitlines()[0] == "traces the model"
    assert "no `--weights`" not in found.err
    lines = found.out.splitlines()
    assert lines[0].startswith("copied: ")
    assert "images: batch any from 1, channels 3, height multiples of 8 from 16, width 32" in lines
    assert lines[-1].startswith(f"torch {torch.__version__} on 3×3×40×32: off by ")
    images = torch.rand(5, 3, 48, 32)
    assert (torch.export.load(file).module()(images) - model.eval()(images)).abs().max() < 1e-5


def test_json(run, tiny, tmp_path):
    file = tmp_path / "tiny.safetensors"
    found = run("export", tiny, "-o", file, "--size", "64x32", "--set", "classes=7", "--json")
    said = json.loads(found.out)
    assert (said["written"], said["format"], said["bytes"]) == (str(file), "safetensors", file.stat().st_size)
    assert found.err.splitlines()[-1].startswith("there are no `--weights`")
    spec = vitdsl.load(read_metadata(file)["vitdsl.spec"])
    assert (spec.model.input.size, spec.model.classes) == ((64, 32), 7)


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["-o", "a.txt"], 2, "'a.txt' does not say what to write: files end in .onnx, .pt2, .safetensors"),
    (["-o", "a.pt2", "--format", "onnx"], 2, "'a.pt2' does not end in .onnx"),
    (["-o", "a.pt2", "--dynamic", "depth"], 2, "'depth' cannot be dynamic: known: batch, height, width"),
    (["-o", "a.safetensors", "--dynamic", "batch"], 2, "weights have no axes"),
    (["-o", "a.pt2", "--layout", "timm"], 2, "there is no --weights"),
    (["-o", "no/such/a.pt2"], 2, "there is no folder 'no/such'"),
    (["-o", "a.pt2", "--size", "big"], 2, "--size"),
    (["-o", "a.pt2", "--set", "classes=-1"], 1, "classes"),
    (["-o", "a.pt2", "--weights", "none.pth"], 1, "none.pth: No such file"),
    (["-o", "a.pt2", "--weights", "other.safetensors"], 1, "other"),
    (["-o", "a.pt2", "--dynamic", "width", "--set", "stages[0].block[1]={mlp: {over: tokens}}"], 1,
     "the width of an exported program cannot be dynamic"),
])  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_written(run, tiny, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    write_weights(tmp_path / "other.safetensors", {"other": torch.zeros(2)})
    found = run("export", tiny, *arguments)
    assert found.code == code, found.err
    assert said in found.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.safetensors", "tiny.yaml"]


def test_a_missing_extra(run, tiny, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *m: None if name == "onnx" else find(name, *m))
    found = run("export", tiny, "-o", tmp_path / "a.onnx")
    assert found.code == 1
    assert "the format onnx needs onnx [E601]\n  hint: pip install 'vitdsl[export]'" in found.err


def test_a_file_that_may_not_be_written(run, tiny, tmp_path):
    (tmp_path / "a.pt2").mkdir()
    found = run("export", tiny, "-o", tmp_path / "a.pt2")
    assert found.code == 1
    assert "a.pt2: this is not a regular file" in found.err
