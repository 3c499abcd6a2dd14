"""`vitdsl draw`."""

import json

import pytest

from tests.cli.test_build import TINY
from vitdsl.cli.draw import Heat
from vitdsl.pictures.shares import MEASURES


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.mark.parametrize("ending", ["svg", "html", "md"])
def test_a_picture_is_drawn(run, tiny, tmp_path, ending):
    file = tmp_path / f"model.{ending}"
    found = run("draw", tiny, "-o", file, "--set", "classes=7", "--size", "64x32")
    assert (found.code, found.out) == (0, f"drawn to {file}\n"), found.err
    text = file.read_text(encoding="utf-8")
    assert "64×32·3" in text
    assert "cls·7" in text


def test_json(run, tiny, tmp_path):
    file = tmp_path / "a.svg"
    assert json.loads(run("draw", tiny, "-o", file, "--heat", "params", "--json").out) == {"written": str(file)}
    assert "share of parameters" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["missing_spec", "-o", "a.svg"], 1, "there is no spec `missing_spec`"),
    (["-o", "a.png"], 2, ".svg or .html or .md"), ([], 2, "--output"), (["-o", "a.svg", "--heat", "x"], 2, "--heat"),
    (["-o", "a.svg", "--size", "x"], 2, "--size"), (["-o", "no/such/folder/a.svg"], 2, "no/such/folder"),
    (["-o", "a.svg", "--set", "classes=-1"], 1, "classes"),
])  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_written(run, tiny, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    spec = [] if arguments[:1] == ["missing_spec"] else [tiny]
    found = run("draw", *spec, *arguments)
    assert found.code == code, found.err
    assert said in found.err
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_the_measures_are_those_of_pictures():
    assert [*Heat] == [*MEASURES]
