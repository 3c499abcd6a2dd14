"""Cards: what they say, and that texts of specs are no markup and no front matter."""

import re

import pytest
import yaml

import vitdsl
from tests.compiler.small import small
from tests.hostile import NAMES
from vitdsl.exporting.card import FRONT, LONGEST, card, plain


def test_what_it_says():
    text = card(small("cvt13"))
    assert text.startswith(FRONT)
    assert "# cvt13\n" in text
    assert r"Introducing Convolutions to Vision Transformers, arXiv 2103\.15808, by the paper 20M parameters" in text
    assert "It tells 20 classes apart." in text
    assert "| size | 64×64 |" in text
    assert "| stages\\.0 | 1 |" in text


def test_a_backbone():
    text = card(vitdsl.build("pvt_tiny", "meta", features=[0]))
    assert "| stages\\.0\\.block\\.1 | 64 | 56×56 |" in text
    assert "classes" not in text


@pytest.mark.parametrize("text", NAMES)
def test_texts_are_no_markup(text):
    shown = plain(text)
    assert "\n" not in shown
    assert shown.isprintable()
    rest = re.sub(r"\\[!-/:-@\[-`{-~]", "", shown)
    assert not set("<>[]`*_#|&\\") & set(rest)
    assert len(rest) <= LONGEST + 1


@pytest.mark.parametrize(
    "title", ["---\nlicense: mit\n---", "</h1><script>alert(1)</script>", "a | b", "![x](y)", "a\n\n# b"]
)
def test_a_hostile_paper(title):
    stage = {"tokenizer": {"type": "patch", "size": 2, "dim": 8}, "depth": 1, "block": [{"mlp": {"ratio": 2}}]}
    spec = {
        "input": {"size": 8, "channels": 5},
        "classes": 0,
        "stages": [stage],
        "paper": {"title": title, "arxiv": title},
    }
    text = card(vitdsl.build(spec, "meta"))
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front) == {"library_name": "vitdsl", "tags": ["vitdsl", "vision"]}
    assert not re.search(r"^(#|---|===|\|)", body.split("A model of vitdsl")[0].replace("# ", "", 1).strip(), re.M)
    assert "<" not in re.sub(r"\\<", "", body)
    assert "Images have 5 channels, which photos do not have." in body
