"""Weights on disk: what is read, what is refused, and that a file appears whole or not at all."""

import os
import pickle
import random
import subprocess
import sys
import tarfile
import zipfile

import pytest
import safetensors.torch
import torch

from vitdsl.checkpoints.files import read_weights, write_weights
from vitdsl.errors import CheckpointError


class Stranger:
    """Something that a weights-only reader must not build."""


def message(function, *args, **options):
    with pytest.raises(CheckpointError) as caught:
        function(*args, **options)
    return str(caught.value)


def test_safetensors_both_ways(tmp_path):
    state = {"a": torch.randn(2, 3, dtype=torch.float64), "b": torch.tensor(3), "c": torch.randn(2).bfloat16()}
    write_weights(tmp_path / "w.safetensors", state)
    read = read_weights(tmp_path / "w.safetensors")
    assert read.container is None
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


@pytest.mark.parametrize("save", [write_weights, lambda path, state: torch.save(state, path)])
def test_the_content_says_what_a_file_is(tmp_path, save):
    save(tmp_path / "w.safetensors", {"a": torch.ones(2)})
    for name in ("w.pth", "w.safetensors", "w"):
        path = (tmp_path / "w.safetensors").rename(tmp_path / name)
        assert list(read_weights(path).tensors) == ["a"]
        path.rename(tmp_path / "w.safetensors")


def test_parameters_come_without_gradients(tmp_path):
    torch.save({"a": torch.nn.Parameter(torch.ones(1))}, tmp_path / "w.pt")
    assert not read_weights(tmp_path / "w.pt").tensors["a"].requires_grad


def test_python_objects_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"model": {"a": torch.ones(1)}, "args": Stranger()}, path)
    assert message(read_weights, path) == (
        f"{path}: refused, because it holds a Python object (`tests.checkpoints.test_files.Stranger`) beside tensors, "
        "and reading it may run code. If you trust its author, read it with `torch.load(…, weights_only=False)` and "
        "save its state dict alone. [E702]"
    )


def test_the_ending_of_what_is_written_is_judged(tmp_path):
    found = message(write_weights, tmp_path / "w", {})
    assert found == "w: weights are written as `.safetensors`; found `no ending`. [E610]"


# ---------------------------------------------------------------- damaged files

STATE = {"stages.0.weight": torch.randn(30, 5), "stages.0.bias": torch.ones(7)}
FORMATS = {
    "safetensors": write_weights,
    "zip": lambda path, state: torch.save(state, path),
    "zip_in_container": lambda path, state: torch.save({"model": state, "epoch": 3}, path),
    "legacy": lambda path, state: torch.save(state, path, _use_new_zipfile_serialization=False),
}


def is_refused(path) -> bool:
    """Whether a file is refused, by an error that names it. Any other error is a fault of ours."""
    try:
        read_weights(path)
    except CheckpointError as error:
        said = str(error)
    else:
        return False
    assert str(path) in said
    assert "\n" not in said
    return True


@pytest.fixture(params=FORMATS)
def whole(request, tmp_path):
    """A file of each format."""
    path = tmp_path / "w.safetensors"
    FORMATS[request.param](path, STATE)
    assert not is_refused(path)
    return path


def test_files_that_were_cut_off_are_refused(whole):
    data = whole.read_bytes()
    for part in range(20):
        whole.write_bytes(data[: len(data) * part // 20])
        assert is_refused(whole)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0xFF])
def test_flipped_bits_are_refused_or_harmless(whole, flip):
    data = whole.read_bytes()
    refused = 0
    places = range(flip % 7, len(data), 7)
    for place in places:
        changed = bytearray(data)
        changed[place] ^= flip
        whole.write_bytes(changed)
        refused += is_refused(whole)
    assert refused > len(places) // 20


@pytest.mark.parametrize("seed", range(20))
def test_bytes_at_random_are_refused(tmp_path, seed):
    path, draw = tmp_path / "w.pth", random.Random(seed)
    for start in (b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"\0\0\0\0\0\0\0\0{"):
        path.write_bytes(start + draw.randbytes(draw.randrange(300)))
        assert is_refused(path)


@pytest.mark.parametrize(
    "text", ["", "hello world", '{"a": 1}', "<html>", "version https://git-lfs.github.com/spec/v1"]
)
def test_texts_are_refused(tmp_path, text):
    path = tmp_path / "w.pth"
    path.write_text(text)
    assert message(read_weights, path).startswith(
        f"{path}: this is neither a safetensors file nor one of `torch.save`: it "
    )


@pytest.mark.parametrize("values", [print, {"a": os.system}, b"x" * 99, [[]], 10**100, "text"], ids=str)
def test_other_pickles_are_refused(tmp_path, values):
    path = tmp_path / "w.pth"
    for protocol in range(2, 6):
        path.write_bytes(pickle.dumps(values, protocol))
        assert is_refused(path)


def test_other_archives_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    assert is_refused(path)
    with tarfile.open(path, "w") as archive:
        archive.add(__file__)
    assert is_refused(path)


def test_no_damage_of_numbers_goes_unseen_where_there_are_check_sums(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"a": torch.ones(1000)}, path)
    data = bytearray(path.read_bytes())
    data[data.index(torch.ones(2).numpy().tobytes())] ^= 1
    path.write_bytes(data)
    assert "Bad CRC-32" in message(read_weights, path)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match=r"w\.pth"):
        read_weights(tmp_path / "w.pth")
    with pytest.raises(IsADirectoryError, match=r"test_a_missing"):
        read_weights(tmp_path)


def test_others_may_read_what_was_written_as_any_other_file(tmp_path):
    (tmp_path / "plain").touch()
    write_weights(tmp_path / "w.safetensors", {"a": torch.zeros(1)})
    assert (tmp_path / "w.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_leaves_what_was_there(tmp_path):
    """A limit on the size of files is what a process can ask for; the error comes from the same place."""
    path = tmp_path / "w.safetensors"
    write_weights(path, {"a": torch.ones(1)})
    script = (
        "import resource, sys, torch\n"
        "from vitdsl.checkpoints.files import write_weights\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_weights(sys.argv[1], {'a': torch.ones(10_000)})\n"
        "except OSError as error:\n    print(error.filename, error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{path} ")
    assert "too large" in done.stdout
    assert torch.equal(read_weights(path).tensors["a"], torch.ones(1))
    assert [each.name for each in tmp_path.iterdir()] == ["w.safetensors"]
