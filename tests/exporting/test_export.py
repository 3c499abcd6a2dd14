"""Export as a whole: what is refused, and what is left where it is interrupted."""

import errno
import os
from pathlib import Path

import pytest
import torch

import vitdsl
from tests.exporting.models import model_of, spec_of
from vitdsl.checkpoints.files import read_metadata, read_weights
from vitdsl.errors import InputError
from vitdsl.exporting.checking import Check
from vitdsl.exporting.export import export


def test_it_is_what_the_package_exports():
    assert vitdsl.export is export


@pytest.mark.parametrize(("make", "what"), [
    (lambda: vitdsl.build("pvt_tiny", "meta", features=[0]), "a backbone"), (torch.nn.Identity, "`Identity`"),
], ids=["backbone", "module"])  # fmt: skip
def test_what_is_no_whole_model_is_refused(make, what, tmp_path):
    with pytest.raises(TypeError, match=f"whole and without wrappers, but this is {what}"):
        vitdsl.export(make(), tmp_path / "a.pt2")
    assert not [*tmp_path.iterdir()]


def test_weights(model, tmp_path):
    done = export(model, tmp_path / "a.safetensors")
    assert (done.format, done.opset, done.checks) == ("safetensors", None, [])
    found = read_weights(done.path).tensors
    assert all(torch.equal(tensor, found[key]) for key, tensor in model.state_dict().items())
    assert vitdsl.load(read_metadata(done.path)["vitdsl.spec"]) == model.spec
    vitdsl.load_weights(vitdsl.build(spec_of()), done.path)


def test_folded_weights(model, tmp_path):
    done = export(model, tmp_path / "a.safetensors", fold=True)
    assert read_metadata(done.path)["vitdsl.folded"] == "true"
    assert not any("running_mean" in key for key in read_weights(done.path).tensors)
    vitdsl.load_weights(vitdsl.fold(vitdsl.build(spec_of())), done.path)


def test_a_model_stays_as_it_is(untraced, tmp_path):
    model = model_of(spec_of()).train()
    model.stages[0].block.eval()  # type: ignore[union-attr, index]
    before = [module.training for module in model.modules()]
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    export(model, tmp_path / "a.pt2")
    assert [module.training for module in model.modules()] == before
    assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())


def test_a_spec_is_built(untraced, tmp_path):
    done = export(spec_of(), tmp_path / "a.pt2", size=(48, 32))
    assert (done.images["height"], done.images["width"]) == (48, 32)


@pytest.mark.parametrize(("call", "said"), [
    ({"path": "a.txt"}, "does not say what to write"), ({"path": "a.pt2", "format": "onnx"}, "does not end in .onnx"),
    ({"path": "a.pt2", "dynamic": ("depth",)}, "'depth' cannot be dynamic"),
    ({"path": "a.safetensors", "dynamic": ("batch",)}, "weights have no axes"),
    ({"path": "a.pt2", "size": 64}, "`size` is for specs; this model is for images of (32, 32)"),
])  # fmt: skip
def test_wrong_calls(model, call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        export(model, **call)
    assert said in str(error.value)
    assert not [*tmp_path.iterdir()]


def test_a_model_without_values(tmp_path):
    with pytest.raises(InputError, match="this one is on meta"):
        export(vitdsl.build(spec_of(), "meta"), tmp_path / "a.pt2")


# ---------------------------------------------------------------- what is left


@pytest.fixture
def old(tmp_path) -> Path:
    path = tmp_path / "a.pt2"
    path.write_bytes(b"old")
    return path


def untouched(path: Path) -> bool:
    return path.read_bytes() == b"old" and [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_that_does_something_else_is_not_kept(untraced, old, monkeypatch):
    def fail(*call):
        raise InputError("off by 1")

    monkeypatch.setattr("vitdsl.exporting.export.compare", fail)
    with pytest.raises(InputError, match="off by 1"):
        export(spec_of(), old)
    assert len(untraced) == 1
    assert untouched(old)


@pytest.mark.parametrize("at", ["trace", "write_program", "read_program"])
def test_an_export_that_is_interrupted_leaves_the_old_file(untraced, old, monkeypatch, at):
    def stop(*call):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"vitdsl.exporting.program.{at}", stop)
    with pytest.raises(KeyboardInterrupt):
        export(spec_of(), old)
    assert untouched(old)


def test_a_full_disk_leaves_the_old_file(untraced, old, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("vitdsl.resolve.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        export(spec_of(), old)
    assert error.value.filename == str(old)
    assert untouched(old)


def test_a_file_that_was_there_is_replaced(untraced, old, monkeypatch):
    monkeypatch.setattr("vitdsl.exporting.export.compare", lambda *call: [Check((1, 3, 32, 32), 0.0)])
    done = export(spec_of(), old)
    assert old.read_bytes() == b"program"
    assert (done.bytes, done.checks) == (7, [Check((1, 3, 32, 32), 0.0)])


def test_a_folder_that_is_not_there(untraced, tmp_path):
    with pytest.raises(OSError, match="No such file") as error:
        export(spec_of(), tmp_path / "no" / "a.pt2")
    assert error.value.filename == str(tmp_path / "no" / "a.pt2")
