"""Files are written whole or not at all."""

import os
import stat
import subprocess
import sys

import pytest

from vitdsl.resolve.files import write_text, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_all_is_written(tmp_path):
    path = tmp_path / "a.txt"
    with write_whole(path) as draft:
        draft.write_text("new")
        assert not path.exists()
        assert draft.suffix == ".txt"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("other"), KeyboardInterrupt()])
def test_what_was_there_stays_where_writing_fails(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with write_whole(path) as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_error_names_the_file_and_not_the_draft(tmp_path):
    path = tmp_path / "a.txt"
    for wrong in (OSError("disk full"), OSError(28, "No space left on device")):
        with pytest.raises(OSError, match=r"a\.txt") as caught, write_whole(path):
            raise wrong
        assert caught.value.filename == str(path)
        assert caught.value.strerror
    other = FileNotFoundError(2, "No such file", "another.txt")
    with pytest.raises(FileNotFoundError, match=r"another\.txt"), write_whole(path):
        raise other


def test_a_full_disk(tmp_path):
    """A limit on the size of files is what a process can ask for; the error comes from the same place."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom vitdsl.resolve.files import write_text\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_text(Path(sys.argv[1]), 'x' * 10_000)\n"
        "except OSError as error:\n    print(error.filename, error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{path} File too large\n"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("relative", [False, True])
def test_links_are_followed(tmp_path, relative):
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder" / "real.txt"
    link = tmp_path / "link.txt"
    link.symlink_to("folder/real.txt" if relative else target)
    for text in ("first", "second"):  # a link may name what is not there yet
        write_text(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert names(tmp_path / "folder") == ["real.txt"]


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    with pytest.raises(OSError, match=r"loop\.txt"):
        write_text(tmp_path / "loop.txt", "text")
    assert (tmp_path / "loop.txt").is_symlink()


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_permissions_stay(tmp_path, mode):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(mode)
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_that_must_not_be_written_is_left(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everything
    with pytest.raises(PermissionError, match=r"a\.txt"):
        write_text(path, "new")
    assert path.read_text() == "old"


def test_folders_are_refused(tmp_path):
    with pytest.raises(OSError, match="not a regular file"), write_whole(tmp_path):
        pass
    with pytest.raises(OSError, match=r"missing/a\.txt"):
        write_text(tmp_path / "missing" / "a.txt", "text")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/a\.txt"):
        write_text(tmp_path / "file" / "a.txt", "text")


def test_long_names_are_no_longer_while_they_are_written(tmp_path):
    name = "x" * 251 + ".txt"
    write_text(tmp_path / name, "text")
    assert names(tmp_path) == [name]


def test_text_goes_into_a_device_as_it_comes():
    write_text(os.devnull, "text")
