"""Checkpoints are written whole or not at all, and what is damaged is said to be."""

from __future__ import annotations

import errno
import os
import resource
import sys

import pytest
import torch

from vitdsl.errors import CheckpointError
from vitdsl.training.checkpoints import WholeFiles, read_checkpoint

WHOLE = {"vitdsl": {"history": [{"epoch": 1}]}, "state_dict": {"x": torch.arange(5000.0)}}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "below" / "last.ckpt"
    WholeFiles().save_checkpoint(WHOLE, path)
    return path


def test_written_and_read(path):
    found = read_checkpoint(path)
    assert found["vitdsl"] == WHOLE["vitdsl"]
    assert torch.equal(found["state_dict"]["x"], torch.arange(5000.0))


def test_a_full_disk_leaves_the_old_file(path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("vitdsl.resolve.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        WholeFiles().save_checkpoint({"vitdsl": {"history": []}}, path)
    assert error.value.filename == str(path)
    assert read_checkpoint(path)["vitdsl"] == WHOLE["vitdsl"]
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits files as Unix does")
def test_a_disk_that_is_full_while_torch_writes(path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="cannot be written") as error:
            WholeFiles().save_checkpoint(WHOLE, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.filename == str(path)
    assert read_checkpoint(path)["vitdsl"] == WHOLE["vitdsl"]


@pytest.mark.parametrize("left", [0, 1, 100, 15_000])
def test_a_file_that_is_cut_off(path, left):
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(CheckpointError, match="damaged: remove it to begin anew"):
        read_checkpoint(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_byte_that_is_another(path, share):
    found = bytearray(path.read_bytes())
    found[int(share * len(found))] ^= 0xFF
    path.write_bytes(found)
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize("other", [{}, [], {"vitdsl": {}}, {"vitdsl": {"history": 3}}, {"state_dict": {}}])
def test_files_of_another_kind(tmp_path, other):
    torch.save(other, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint of a training"):
        read_checkpoint(tmp_path / "last.ckpt")


def test_code_in_a_checkpoint_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "evil"),)

    torch.save({"vitdsl": {"history": [Evil()]}}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "last.ckpt")
    assert not (tmp_path / "evil").exists()
