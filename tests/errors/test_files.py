"""What is no spec at all: files that cannot be read, and texts made to break a reader."""

import subprocess
import sys
from pathlib import Path

import pytest

import vitdsl
from vitdsl.errors import SpecError


def refused(source: object) -> str:
    with pytest.raises(SpecError) as caught:
        vitdsl.load(source)  # type: ignore[arg-type]
    return str(caught.value)


def test_an_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for content in ("", "# a comment alone\n", "---\n"):
        (tmp_path / "empty.yaml").write_text(content)
        assert refused("empty.yaml").splitlines()[0] == "empty.yaml:1:1: the file is empty [E105]"


def test_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    assert refused("folder.yaml") == "folder.yaml: this is a directory, not a file [E102]"
    (tmp_path / "plain").mkdir()
    assert refused("./plain") == "plain: this is a directory, not a file [E102]"


def test_a_binary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.yaml").write_bytes(b"\x7fELF\0\0\x01")
    assert refused("weights.yaml") == "weights.yaml:1:1: this is a binary file, not YAML [E103]"
    (tmp_path / "wide.yaml").write_bytes("name: x".encode("utf-16"))
    assert refused("wide.yaml") == ("wide.yaml:1:1: the file is UTF-16, not UTF-8 [E103]\n  hint: save it as UTF-8")


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("name: x\n")
    assert refused("mien.yaml") == "mien.yaml: there is no such file [E101]\n  hint: did you mean 'mine.yaml'?"
    assert refused("swn_tiny") == "there is no spec `swn_tiny` [E101]\n  hint: did you mean 'swin_tiny'?"


def test_what_is_no_spec() -> None:
    assert refused("3\n") == (
        "<text>:1:1: a spec is a mapping with `stages` and a `head`, but this is a single value or a list [E111]"
    )
    assert refused({}) == "stages\n  `stages` is missing [E202]"


def test_bombs_are_refused_quickly(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time, vitdsl\n"
        "from vitdsl.errors import SpecError\n"
        "for bomb in ('[' * 500_000, '{a: ' * 250_000, '- ' * 500_000, 'stages: ' + '[' * 500_000):\n"
        "    path = pathlib.Path(sys.argv[1]) / 'bomb.yaml'\n"
        "    path.write_text(bomb)\n"
        "    begin = time.process_time()\n"
        "    try:\n"
        "        vitdsl.load(path)\n"
        "    except SpecError as error:\n"
        "        assert 'nested deeper than 64 levels' in str(error), str(error)[:500]\n"
        "    else:\n"
        "        sys.exit('accepted: ' + bomb[:20])\n"
        "    if time.process_time() - begin > 20:\n"
        "        sys.exit('slow: ' + bomb[:20])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/", "a" * 300, "a" * 3000 + "/b", "a\\0b"])
def test_extends_of_what_is_no_name(name: str) -> None:
    message = refused(f'extends: "{name}"\n')
    assert message.startswith("<text>:1:10: extends\n")
