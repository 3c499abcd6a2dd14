"""Weights on the command line: what is wrong with them is the user's fault, said in a word, with no table before it."""

import argparse
import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import vitdsl
from vitdsl.checkpoints.files import read_weights, write_weights

SPEC = """
name: tiny
input: {size: 16, mean: imagenet, std: imagenet, crop: 1.0}
classes: 5
stages:
  - tokenizer: {type: patch, size: 4, dim: 8}
    block: [mlp]
    depth: 2
head: {pool: mean}
"""
TABLE = "rows:\n  - trunk.{k*} -> {k*}\n"


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def state(tiny):
    return vitdsl.build(tiny).state_dict()


def spoiled(state, value):
    first = next(iter(state))
    return {**state, first: torch.full_like(state[first], value)}


def namespaces(path, state):
    torch.save({"model": state, "args": argparse.Namespace()}, path)


WRONG = {
    "missing": (lambda path, state: None, "No such file or directory"),
    "folder": (lambda path, state: path.mkdir(), "Is a directory"),
    "empty": (lambda path, state: path.touch(), "it is empty"),
    "text": (lambda path, state: path.write_text("hello world"), "it begins with b'hello world'"),
    "cut off": (lambda path, state: path.write_bytes(b"PK\x03\x04" + bytes(200)), "is damaged, or not whole"),
    "objects": (namespaces, "a Python object (`argparse.Namespace`)"),
    "two": (lambda path, state: torch.save({"model": state, "ema": state}, path), "`--container`"),
    "no weights": (lambda path, state: torch.save({"epoch": 3}, path), "there is no state dict in it"),
}


IN_FOLDERS = {("folder", "build"), ("folder", "predict")}
"""`--weights` takes a folder that `save_pretrained` wrote."""
FOLDER = "there is no model.safetensors in this folder"


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("command", ["build", "predict", "convert"])
def test_files_that_are_no_weights(run, tiny, tmp_path, state, case, command):
    make, said = WRONG[case]
    path = tmp_path / "w.pth"
    make(path, state)
    Image.new("RGB", (16, 16)).save(tmp_path / "photo.png")
    call = {
        "build": ["build", tiny, "--weights", path],
        "predict": ["predict", tiny, tmp_path / "photo.png", "--weights", path],
        "convert": ["convert", path, "--spec", tiny, "-o", tmp_path / "out.safetensors"],
    }[command]
    found = run(*call)
    assert (found.code, found.out) == (1, "")
    assert f"{path}: " in found.err
    assert (FOLDER if (case, command) in IN_FOLDERS else said) in found.err
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("value", "said"), [(float("nan"), "NaN or infinite as torch.float32"), (1e38, "is not finite")]
)
@pytest.mark.parametrize("command", ["build", "predict"])
def test_weights_that_compute_nothing(run, tiny, tmp_path, state, value, said, command):
    write_weights(tmp_path / "w.safetensors", spoiled(state, value))
    Image.new("RGB", (16, 16), "white").save(tmp_path / "photo.png")
    found = run(
        command,
        tiny,
        *([tmp_path / "photo.png"] if command == "predict" else []),
        "--weights",
        tmp_path / "w.safetensors",
    )
    assert (found.code, found.out) == (1, "")
    assert said in found.err


def test_initial_values_that_compute_nothing_are_the_specs(run, tiny):
    found = run("build", tiny, "--set", "init={linear: {type: normal, std: 1.0e+38}}")
    assert found.code == 1
    assert "the spec's `init`" in found.err


def test_a_container_and_a_table_are_named(run, tiny, tmp_path, state):
    theirs = {f"trunk.{key}": value for key, value in state.items()}
    torch.save({"model": spoiled(theirs, float("nan")), "ema": theirs}, tmp_path / "w.pth")
    (tmp_path / "names.yaml").write_text(TABLE)
    call = ["build", tiny, "--weights", tmp_path / "w.pth", "--container", "ema"]
    found = run(*call, "--layout", tmp_path / "names.yaml")
    assert found.code == 0, found.err
    assert f"copied: {len(state)}" in found.out
    (tmp_path / "names.yaml").rename(tmp_path / "tiny.theirs.yaml")  # beside the spec it is found
    assert f"copied: {len(state)}" in run(*call).out
    out = tmp_path / "out.safetensors"
    call = ["--spec", tiny, "-o", out, "--container", "ema"]
    assert run("convert", tmp_path / "w.pth", *call).code == 0
    assert read_weights(out).tensors.keys() == state.keys()
    assert run("convert", out, "--spec", tiny, "--to", "theirs", "-o", tmp_path / "back.safetensors").code == 0
    assert read_weights(tmp_path / "back.safetensors").tensors.keys() == theirs.keys()


def test_names_that_are_none_have_a_hint(run, tiny, tmp_path, state):
    write_weights(tmp_path / "w.safetensors", state)
    found = run("build", tiny, "--weights", tmp_path / "w.safetensors", "--layout", "our")
    assert (found.code, found.out) == (1, "")
    assert "Did you mean `ours`?" in found.err
    found = run("build", tiny, "--weights", "oficial")
    assert found.code == 1
    assert "oficial: there is no such file, and published weights have other names: official, timm" in found.err
    found = run("build", tiny, "--container", "ema")
    assert found.code == 2
    assert "--container" in found.err


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("classes=7", "The weights are for 5 classes, the model for 7: build with `classes: 5`, or leave"),
        ("input.channels=4", "for images of 3 channels, the model for 4: `channels=`, or `--channels`, fits them"),
    ],
)
def test_other_classes_and_channels_say_what_to_do(run, tiny, tmp_path, state, setting, said):
    write_weights(tmp_path / "w.safetensors", state)
    more = ["--set", "input.mean=half", "--set", "input.std=half", "--set", setting]
    found = run("build", tiny, "--weights", tmp_path / "w.safetensors", *more)
    assert (found.code, found.out) == (1, "")
    assert said in found.err
    remedy = ["--partial"] if "classes" in setting else ["--channels", "mean"]
    assert run("build", tiny, "--weights", tmp_path / "w.safetensors", *more, *remedy).code == 0


@pytest.mark.parametrize("option", ["--save", "--code"])
def test_links_are_followed_and_files_stay_where_they_cannot_be_written(run, tiny, tmp_path, monkeypatch, option):
    ending = ".safetensors" if option == "--save" else ".py"
    target, link = tmp_path / f"real{ending}", tmp_path / f"link{ending}"
    link.symlink_to(target)
    assert run("build", tiny, option, link).code == 0
    assert link.is_symlink()
    before = target.read_bytes()

    def full(self, name):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    found = run("build", tiny, option, link)
    assert found.code == 1
    assert f"{link}: No space left on device" in found.err
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["tiny.yaml", target.name, link.name])


# ---------------------------------------------------------------- convert


def test_there_and_back(run, tmp_path):
    torch.manual_seed(0)
    ours = {key: value.contiguous() for key, value in vitdsl.build("deit_tiny").state_dict().items()}
    first, second, third = (tmp_path / f"{name}.safetensors" for name in ("ours", "theirs", "again"))
    save_file(ours, first)
    found = run("convert", first, "-o", second, "--spec", "deit_tiny", "--from", "ours", "--to", "official", "--json")
    assert found.code == 0, found.err
    assert json.loads(found.out)["tensors"] == len(load_file(second))
    assert "blocks.0.attn.qkv.weight" in load_file(second)
    assert run("convert", second, "-o", third, "--spec", "deit_tiny", "--from", "official").code == 0
    again = load_file(third)
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[key], ours[key]) for key in ours)


def test_wrong_weights_are_wrong_input(run, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    found = run("convert", path, "-o", tmp_path / "o.safetensors", "--spec", "deit_tiny", "--from", "official")
    assert found.code == 1
    assert "do not fit the table deit.official" in found.err


def test_unknown_layout_is_wrong_input(run, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    call = ["convert", path, "-o", tmp_path / "o.safetensors", "--spec", "deit_tiny", "--from", "nobody"]
    assert run(*call).code == 1


def test_the_size_that_weights_are_for(run, tmp_path):
    """A table of 4x2 in a model of 2x4: the same count, another grid."""
    spec, turned = tmp_path / "positions.yaml", ["--set", "input.size=[16, 8]"]
    spec.write_text(SPEC.replace("    block", "    position: learned\n    block"))
    assert run("build", spec, *turned, "--save", tmp_path / "w.safetensors").code == 0
    call = ["build", spec, "--set", "input.size=[8, 16]", "--weights"]
    found = run(*call, tmp_path / "w.safetensors")
    assert (found.code, found.err) == (0, "")
    assert "resized: 1 (stages.0.position.weight)" in found.out
    save_file(load_file(tmp_path / "w.safetensors"), tmp_path / "plain.safetensors")
    found = run(*call, tmp_path / "plain.safetensors")
    assert (found.code, "resized" in found.out) == (0, False)
    assert found.err == (
        "warning: The weights do not say for which grid `stages.0.position.weight` is made; 2x4 is assumed. "
        "`size=(h, w)`, or `--weights-size HxW`, says for which size of image the weights are.\n"
    )
    found = run(*call, tmp_path / "plain.safetensors", "--weights-size", "16x8")
    assert (found.code, found.err) == (0, "")
    assert "resized: 1 (stages.0.position.weight)" in found.out
    assert run("build", spec, "--weights-size", "16x8").code == 2
    assert run(*call, tmp_path / "plain.safetensors", "--weights-size", "16by8").code == 2
