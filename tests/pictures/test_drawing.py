"""`vitdsl.draw`."""

from pathlib import Path

import pytest

import vitdsl
from tests.pictures.checks import ALL
from vitdsl.errors import InputError, SpecError
from vitdsl.pictures.drawing import ENDINGS, drawn


@pytest.mark.parametrize(("ending", "first"), [(".svg", "<svg "), (".html", "<!doctype html>"), (".md", "```mermaid")])
def test_a_picture_is_written(tmp_path, ending, first):
    path = vitdsl.draw("deit_tiny", tmp_path / f"model{ending}")
    assert path.read_text(encoding="utf-8").lstrip().startswith(first)
    assert [*tmp_path.iterdir()] == [path]


def test_a_size_of_its_own(tmp_path):
    text = vitdsl.draw(vitdsl.load("pvt_tiny"), tmp_path / "a.svg", size=(64, 32)).read_text(encoding="utf-8")
    assert "image 64×32·3" in text


def test_what_is_wrong_is_said_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match=r"ends in none of \.svg, \.html, \.md"):
        vitdsl.draw("deit_tiny", tmp_path / "a.png")
    with pytest.raises(InputError, match="'heat' is none of macs, params, activations"):
        vitdsl.draw("deit_tiny", tmp_path / "a.svg", heat="heat")
    with pytest.raises(SpecError, match="open hole"):
        vitdsl.draw(vitdsl.load("deit_tiny", {"stages[0].depth": {"range": [1, 2]}}), tmp_path / "a.svg")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["cvt13", "swin_tiny"])
def test_the_figures_of_the_documents_are_current(name):
    path = Path(__file__).parents[2] / f"docs/pictures/{name}.svg"
    made = drawn(vitdsl.load(name), ".svg")
    assert path.read_text(encoding="utf-8") == made, f"`vitdsl draw {name} -o docs/pictures/{name}.svg` writes it"


@pytest.mark.full
@pytest.mark.parametrize("name", ALL)
def test_every_shipped_spec(name):
    spec = vitdsl.load(name)
    for ending in ENDINGS:
        assert drawn(spec, ending)
