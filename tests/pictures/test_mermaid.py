"""Mermaid: a small subset of its language, which no text of a file leaves."""

import re

import pytest

from tests.hostile import NAMES
from tests.pictures.bodies import Models
from tests.pictures.checks import FEW
from tests.search.hostile import MARKUP, TERMINAL
from vitdsl.pictures.drawing import drawn
from vitdsl.pictures.mermaid import mermaid
from vitdsl.spec import load

TEXT = r'"(?:[A-Za-z0-9_ .,:+×·–-]|#[0-9]+;)*"'
LINE = re.compile(
    rf"\s+(n\d+\[{TEXT}\]|n\d+\(\[{TEXT}\]\)|subgraph n\d+\[{TEXT}\]|direction TB|end|n\d+ (-->|-- {TEXT} -->) n\d+)"
)


def lines(text):
    """The lines of a diagram, each of which is a node, an edge, or of a subgraph."""
    first, second, *found, last, nothing = text.split("\n")
    assert (first, second, last, nothing) == ("```mermaid", "flowchart TD", "```", "")
    assert all(map(LINE.fullmatch, found)), [line for line in found if not LINE.fullmatch(line)]
    made = re.findall(r"(n\d+)[\[(]", text)
    assert len(made) == len(set(made))
    assert set(re.findall(r"\bn\d+\b", text)) == set(made)
    assert sum(line.strip().startswith("subgraph") for line in found) == sum(line.strip() == "end" for line in found)
    return [line.strip() for line in found]


@pytest.mark.parametrize("name", FEW)
def test_it_is_small(name):
    assert len(lines(drawn(load(name), ".md"))) < 150


def test_it_names_stages_blocks_and_shapes():
    found = lines(drawn(load("deit_tiny"), ".md"))
    assert 'n5["block × 12: mixer · global, mlp"]' in found
    assert any('-- "cls+14×14·192" -->' in line for line in found)


TEXTS = (*NAMES, *MARKUP, *TERMINAL, "\ud800", "```", "\n```\n", '"]', "%%{init: {}}%%")


@pytest.mark.parametrize("seed", range(20))
def test_any_text_is_a_text(seed):
    lines(mermaid(Models(seed, TEXTS).model()))
