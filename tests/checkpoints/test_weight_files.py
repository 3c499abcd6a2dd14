"""Weights on disk: what is read, what is refused, and that a file appears whole or not at all."""

import pytest
import safetensors.torch
import torch

from vitdsl.checkpoints.errors import CheckpointError
from vitdsl.checkpoints.files import read_weights, write_weights


class Stranger:
    """Something that a weights-only reader must not build."""


def parallel(state):
    return {f"module.{key}": value for key, value in state.items()}


def message(function, *args, **options):
    with pytest.raises(CheckpointError) as caught:
        function(*args, **options)
    return str(caught.value)


def test_safetensors_both_ways(tmp_path):
    state = {"a": torch.randn(2, 3, dtype=torch.float64), "b": torch.tensor(3), "c": torch.randn(2).bfloat16()}
    write_weights(tmp_path / "w.safetensors", state)
    read = read_weights(tmp_path / "w.safetensors")
    assert (read.container, read.prefix) == (None, None)
    assert all(torch.equal(read.tensors[key], value) for key, value in state.items())
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_views_are_written_as_tensors_of_their_own(tmp_path):
    whole = torch.arange(12.0).reshape(4, 3)
    state = {"first": whole[:2], "rest": whole[2:], "whole": whole, "again": whole, "turned": whole.T, "no": whole[:0]}
    write_weights(tmp_path / "w.safetensors", state)
    read = read_weights(tmp_path / "w.safetensors").tensors
    assert all(torch.equal(read[key], value) for key, value in state.items())


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    write_weights(path, {"a": torch.ones(1)})

    def fail(tensors, name, metadata):
        name.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(safetensors.torch, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        write_weights(path, {"a": torch.zeros(1)})
    assert torch.equal(read_weights(path).tensors["a"], torch.ones(1))
    assert [each.name for each in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("ending", [".pth", ".pt", ".bin", ".th"])
@pytest.mark.parametrize(
    ("wrap", "container", "prefix"),
    [
        (lambda state: state, None, None),
        (lambda state: {"model": state, "epoch": 3}, "model", None),
        (lambda state: {"state_dict_ema": parallel(state)}, "state_dict_ema", "module."),
        (lambda state: parallel(state), None, "module."),
    ],
)
def test_pickles_are_unwrapped_and_say_so(tmp_path, ending, wrap, container, prefix):
    path = tmp_path / f"w{ending}"
    torch.save(wrap({"a.w": torch.ones(2), "module.b": torch.zeros(1)}), path)
    read = read_weights(path)
    assert (read.container, read.prefix) == (container, prefix)
    assert list(read.tensors) == ["a.w", "module.b"]


def test_parameters_come_without_gradients(tmp_path):
    torch.save({"a": torch.nn.Parameter(torch.ones(1))}, tmp_path / "w.pt")
    assert not read_weights(tmp_path / "w.pt").tensors["a"].requires_grad


def test_two_containers_are_not_guessed_between(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"state_dict": {"a": torch.ones(1)}, "state_dict_ema": {"a": torch.zeros(1)}}, path)
    assert message(read_weights, path) == (
        "w.pth: it holds `state_dict` and `state_dict_ema`, which may differ; say which with `container`."
    )
    assert read_weights(path, container="state_dict_ema").tensors["a"] == 0
    assert message(read_weights, path, container="model") == (
        "w.pth: there is no `model` in it; found `state_dict`, `state_dict_ema`."
    )


def test_python_objects_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"model": {"a": torch.ones(1)}, "args": Stranger()}, path)
    assert message(read_weights, path) == (
        "w.pth: refused, because it holds Python objects beside tensors, and reading those runs code. "
        "Where you trust its author, save its state dict alone, as safetensors."
    )


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1], "expected a state dict, found list."),
        ({}, "a state dict holds tensors alone; found none."),
        ({"a": torch.ones(1), "epoch": 3}, "a state dict holds tensors alone; found `epoch`, which hold none."),
        (
            {"model": dict.fromkeys("abcdefg", 1)},
            "a state dict holds tensors alone; found `a`, `b`, `c`, `d`, `e`, and 2 more, which hold none.",
        ),
    ],
)
def test_other_contents(tmp_path, values, found):
    torch.save(values, tmp_path / "w.pth")
    assert message(read_weights, tmp_path / "w.pth") == f"w.pth: {found}"


def test_a_container_that_is_none(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    assert message(read_weights, tmp_path / "w.pth", container="epoch") == "w.pth: expected a state dict, found int."


def test_endings_are_judged(tmp_path):
    assert message(read_weights, tmp_path / "w.ckpt") == (
        "w.ckpt: weights end in one of .safetensors, .pth, .pt, .bin, .th; found `.ckpt`."
    )
    assert message(write_weights, tmp_path / "w", {}) == "w: weights are written as `.safetensors`; found `no ending`."


@pytest.mark.parametrize(("ending", "kind"), [(".safetensors", "safetensors"), (".pth", "torch")])
def test_broken_files(tmp_path, ending, kind):
    path = tmp_path / f"w{ending}"
    if kind == "torch":
        torch.save({"a": torch.ones(100)}, path)
    else:
        write_weights(path, {"a": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:300])
    assert message(read_weights, path).startswith(f"w{ending}: not a whole {kind} file: ")


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match=r"w\.pth"):
        read_weights(tmp_path / "w.pth")
    with pytest.raises(OSError, match=r"w\.safetensors"):
        read_weights(tmp_path / "w.safetensors")


def test_others_may_read_what_was_written_as_any_other_file(tmp_path):
    (tmp_path / "plain").touch()
    write_weights(tmp_path / "w.safetensors", {"a": torch.zeros(1)})
    assert (tmp_path / "w.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
