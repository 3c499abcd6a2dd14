"""A program as an ONNX file, and ONNX Runtime."""

import json
from types import SimpleNamespace

import onnx as onnx_package
import pytest
import torch

import vitdsl
from vitdsl.errors import InputError
from vitdsl.exporting.names import OPSET
from vitdsl.exporting.onnx_file import run_onnx, write_onnx
from vitdsl.exporting.sizes import find_sizes


def test_the_file_holds_the_model(onnx, model):
    run = run_onnx(onnx.path)
    images = torch.rand(3, 3, 48, 80)
    assert (run(images) - model(images)).abs().max() < 1e-6


@pytest.mark.parametrize("shape", [(1, 3, 40, 32), (1, 3, 32, 33), (1, 1, 32, 32)])
def test_a_size_between_two_that_it_takes_is_refused(onnx, shape):
    with pytest.raises(InputError, match="ONNX Runtime does not run this file"):
        run_onnx(onnx.path)(torch.rand(shape))


def test_the_file_says_what_it_is(onnx, model):
    file = onnx_package.load(onnx.path)
    onnx_package.checker.check_model(file, full_check=True)
    assert [entry.version for entry in file.opset_import] == [OPSET] == [onnx.opset]
    texts = {entry.key: entry.value for entry in file.metadata_props}
    assert vitdsl.load(texts["vitdsl.spec"]) == model.spec
    assert (texts["vitdsl.version"], texts["vitdsl.opset"]) == (vitdsl.__version__, str(OPSET))
    assert texts["vitdsl.folded"] == "true"
    found = json.loads(texts["vitdsl.preprocessing"])
    assert (found["mode"], found["size"], found["interpolation"]) == ("RGB", [32, 32], "bicubic")
    assert found["mean"] == [0.485, 0.456, 0.406]
    assert not any(node.op_type == "BatchNormalization" for node in file.graph.node)


def test_axes_have_names(onnx):
    file = onnx_package.load(onnx.path)
    axes = [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
            for value in (*file.graph.input, *file.graph.output)]  # fmt: skip
    assert axes == [["batch", 3, "height", "width"], ["batch", 5]]
    assert [value.name for value in (*file.graph.input, *file.graph.output)] == ["images", "logits"]


def test_a_model_that_is_too_large_for_one_file(model, tmp_path, monkeypatch):
    monkeypatch.setattr("vitdsl.exporting.onnx_file.LARGEST", 1000)
    sizes, weights = find_sizes(model, ()), SimpleNamespace(state_dict=model.state_dict())
    with pytest.raises(InputError, match=r"up to 2 GiB, but this model has weights of .*kB \[E613\]\n  hint: `--for"):
        write_onnx(weights, tmp_path / "a.onnx", "logits", {}, sizes)


def test_what_onnx_does_not_have_is_said(model, tmp_path, monkeypatch):
    def fail(*call, **more):
        raise torch.onnx.OnnxExporterError("no such operator") from ValueError("aten.odd\nmore")

    monkeypatch.setattr(torch.onnx, "export", fail)
    sizes, program = find_sizes(model, ()), SimpleNamespace(state_dict={})
    with pytest.raises(InputError, match=r"cannot write this model as ONNX: aten.odd \[E613\]\n  hint: `--format pt2`"):
        write_onnx(program, tmp_path / "a.onnx", "logits", {}, sizes)


def test_a_damaged_file_is_not_run(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no")
    with pytest.raises(InputError, match="does not run this file"):
        run_onnx(tmp_path / "a.onnx")
