"""`vitdsl bench`: what it times, what it says, and what it refuses before it does."""

import json
import sys

import pytest

from vitdsl.cli import bench, main
from vitdsl.timing import LEAST_ROUNDS

TINY = """
input: {size: 8}
classes: 3
drop_path: {rate: 0.5}
stages:
  - {tokenizer: {type: patch, size: 2, dim: 8}, depth: 2, block: [{mlp: {ratio: 2}}]}
head: {pool: mean}
"""


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return str(path)


def measured(capsys, *arguments):
    assert main(["bench", *arguments, "--seconds", "0", "--threads", "1", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("more", [[], ["--train"]])
def test_models_side_by_side(tiny, capsys, more):
    found = measured(capsys, tiny, tiny, "--against", tiny, "--batch", "2", *more)
    assert (found["images"], found["threads"], found["dtype"]) == ([2, 3, 8, 8], 1, "float32")
    assert found["what"] == ("training step" if more else "inference")
    *models, last = found["models"]
    assert "ratio" not in last
    for each in models:
        assert each["rounds"] == LEAST_ROUNDS
        assert 0 < each["seconds_q1"] <= each["seconds"] <= each["seconds_q3"]
        assert 0 < each["ratio_q1"] <= each["ratio"] <= each["ratio_q3"]
        assert each["images_per_second"] == 2 / each["seconds"]
        assert each["peak_bytes"] == last["peak_bytes"] > 0


def test_beside_timm(capsys):
    found = measured(capsys, "mobilenet_v2", "--against", "timm:mobilenetv2_100", "--size", "32", "--batch", "1")
    assert [each["name"] for each in found["models"]] == ["mobilenet_v2", "timm:mobilenetv2_100"]
    assert found["models"][0]["ratio"] > 0


def test_the_table(tiny, capsys):
    assert main(["bench", tiny, "--against", tiny, "--seconds", "0", "--batch", "1", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("inference of 1×3×8×8 images in float32, on cpu (")
    assert "images/s  peak memory  ratio" in said
    assert said.count("tiny.yaml") == 2


def test_a_busy_machine_is_said(tiny, capsys, monkeypatch):
    monkeypatch.setattr(bench, "BUSY", -1.0)
    monkeypatch.setattr("os.getloadavg", lambda: (1e6, 0, 0))
    assert main(["bench", tiny, "--seconds", "0", "--threads", "1"]) == 0
    said = capsys.readouterr().err
    assert "the machine is busy" in said
    assert "tiny.yaml lie more than" in said


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["--against", "timm:nothing_here"], 2, "timm has no model 'nothing_here'"),
    (["--against", "timm:resnet5000"], 2, "timm has no model"),
    (["--against", "nothing_here"], 1, "there is no spec"),
    (["--against", "swin_tiny", "--set", "input.channels=5"], 1, "cannot take images of (8, 5, 8, 8)"),
    (["--device", "cuda:99"], 1, "this machine has no `cuda:99`"),
    (["--batch", "0"], 2, "--batch"),
    (["--size", "7"], 1, "stages[0].tokenizer"),
])  # fmt: skip
def test_what_is_refused(tiny, capsys, arguments, code, said):
    assert main(["bench", tiny, *arguments]) == code
    assert said in capsys.readouterr().err


def test_without_timm(tiny, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    assert main(["bench", tiny, "--against", "timm:resnet50"]) == 2
    assert "it needs timm: pip install" in capsys.readouterr().err
