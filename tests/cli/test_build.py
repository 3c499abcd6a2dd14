"""`vitdsl build`."""

import ast
import json

import pytest
from safetensors.torch import load_file

import vitdsl
from vitdsl.cli.build import run_once

TINY = """\
name: tiny
stages:
  - tokenizer: {type: patch, size: 8, dim: 16}
    tokens: [cls]
    depth: 2
    block: [{mixer: {type: global, heads: 2}}, mlp]
head: {norm: layer, pool: cls}
input: {size: 32}
classes: 5
"""


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def test_cvt13_is_that_of_the_paper(run):
    found = run("build", "cvt13")
    assert found.code == 0
    assert not found.err
    assert "19,997,480 parameters, 4.57 GMACs" in found.out
    assert "paper: 20M parameters, 4.5G MACs" in found.out
    assert "output 1×1000, 19,997,480 parameters, as inferred" in found.out


def test_a_row_for_each_stage(run):
    lines = run("build", "cvt13").out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("stages.", "head"))}
    assert rows["stages.0"] == ["56×56", "64", "1", "61,696", "482M"]
    assert rows["stages.2"] == ["cls+14×14", "384", "10", "18,536,448", "3.27G"]
    assert rows["head"] == ["cls", "1000", "385,768", "384k"]


def test_json_is_what_the_graph_says(run, tiny):
    report = json.loads(run("build", tiny, "--json").out)
    analysis = vitdsl.load(tiny).analyze()
    assert list(report) == [
        "name", "hash", "title", "arxiv", "image", "stages", "params", "trainable_params", "macs", "activation_bytes",
        "paper", "unreached", "verified",
    ]  # fmt: skip
    assert (report["params"], report["macs"]) == (analysis.params, analysis.macs)
    assert sum(stage["params"] for stage in report["stages"]) == report["params"]
    assert report["stages"][0] == {
        "path": "stages.0",
        "outputs": {"x": {"dim": 16, "grid": [4, 4], "tokens": ["cls"], "count": 0}},
        "blocks": 2,
        "params": analysis.stages[0].cost.params,
        "macs": analysis.stages[0].cost.macs,
    }
    assert report["verified"] == {"image": [1, 3, 32, 32], "output": [1, 5], "params": analysis.trainable_params}


def test_size_and_set(run, tiny):
    report = json.loads(run("build", tiny, "--size", "16x24", "--set", "classes=7", "--json").out)
    assert report["verified"]["image"] == [1, 3, 16, 24]
    assert report["verified"]["output"] == [1, 7]


@pytest.mark.parametrize(("head", "shape"), [
    ("head={norm: layer, pool: mean}", [1, 5]), ("head=[{from: grid}]", [1, 16, 4, 4]),
    ("head={body: [{from: grid}], layout: tokens}", [1, 16, 16]), ("head=[{norm: layer}]", [1, 17, 16]),
])  # fmt: skip
def test_every_layout_of_outputs_is_verified(run, tiny, head, shape):
    found = run("build", tiny, "--set", head, "--json")
    assert found.code == 0, found.err
    assert json.loads(found.out)["verified"]["output"] == shape


def test_weights_and_code_are_written(run, tiny, tmp_path):
    weights, code = tmp_path / "w.safetensors", tmp_path / "c.py"
    found = run("build", tiny, "--save", weights, "--code", code)
    assert found.code == 0
    assert load_file(weights).keys() == vitdsl.build(tiny, device="meta").state_dict().keys()
    tree = ast.parse(code.read_text())
    assert [node.name for node in tree.body if isinstance(node, ast.ClassDef)] == ["Block", "Model"]
    assert f"weights written to {weights}" in found.out


def test_weights_are_loaded(run, tiny, tmp_path):
    weights = tmp_path / "w.safetensors"
    run("build", "deit_tiny", "--save", weights)
    found = run("build", "deit_tiny", "--weights", weights, "--layout", "ours")
    assert found.code == 0, found.err
    assert run("build", tiny, "--weights", weights, "--layout", "ours").code == 1
    assert run("build", tiny, "--weights", tmp_path / "none.safetensors").code == 1


def test_weights_of_another_spec_are_taken_in_part(run, tiny, tmp_path):
    weights = tmp_path / "w.safetensors"
    run("build", tiny, "--save", weights)
    call = ["build", tiny, "--weights", weights, "--layout", "ours", "--set", "classes=7", "--set", "input.channels=1"]
    refused = run(*call)
    assert refused.code == 1
    assert "or `--partial`, takes what fits" in refused.err
    call += ["--set", "input.mean=[0.5]", "--set", "input.std=[0.5]"]
    found = run(*call, "--partial", "--channels", "mean")
    assert found.code == 0, found.err
    assert "adapted: 1 (stages.0.tokenizer.0.conv.weight)" in found.out
    assert "new: 2 (head.classifier.weight, head.classifier.bias)" in found.out
    assert run(*call, "--partial", "--channels", "sum").code == 2
    assert run("build", tiny, "--partial").code == 2


def test_a_model_that_is_too_large_is_refused(run, tiny):
    found = run("build", tiny, "--max-params", "1k")
    assert found.code == 1
    assert "at most 1,000 are allowed" in found.err


def test_a_module_that_differs_from_its_graph_is_our_fault(run, tiny):
    spec = vitdsl.load(tiny)
    other = vitdsl.build(spec, size=(32, 32))
    with pytest.raises(RuntimeError, match="parameters"):
        run_once(other, vitdsl.load(tiny, {"stages[0].depth": 1}).graph())


HUGE = """\
input: {size: 1000000}
classes: 0
stages:
  - {tokenizer: [{resize: [4, 4]}, {conv: {dim: 8, kernel: 3}}], body: [{mlp: {ratio: 2}}]}
head: {pool: mean}
"""


def test_an_image_of_too_many_pixels_is_refused_at_its_place(run, tmp_path):
    (path := tmp_path / "huge.yaml").write_text(HUGE)
    found = run("build", path)
    assert found.code == 1
    assert f"{path}:1:15: input.size\n  at most 100,000,000 pixels of an image are allowed, but here are" in found.err
    assert "VITDSL_MAX_PIXELS" in found.err
    assert run("build", path, "--size", "32").code == 0
    asked = run("build", path, "--size", "20000")
    assert asked.code == 2
    assert "100,000,000 pixels" in asked.err


def test_a_model_that_does_not_fit_in_memory_is_no_fault_of_ours(run, tmp_path):
    (path := tmp_path / "huge.yaml").write_text(HUGE.replace("1000000", "32").replace("[4, 4]", "[100000, 100000]"))
    found = run("build", path)
    assert found.code == 1
    assert found.err.startswith("this machine has too little memory")
