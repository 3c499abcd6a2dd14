"""`vitdsl convert`."""

import json

import torch
from safetensors.torch import load_file, save_file

import vitdsl


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
