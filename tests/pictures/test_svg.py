"""Figures are whole XML, whatever the texts in them, and say what is in them."""

from xml.etree import ElementTree

import pytest

from tests.hostile import NAMES
from tests.pictures.bodies import Models
from tests.pictures.checks import FEW
from tests.search.hostile import MARKUP, TERMINAL
from vitdsl.pictures.drawing import drawn
from vitdsl.pictures.opening import open_spec
from vitdsl.pictures.shares import MEASURES, share_of
from vitdsl.pictures.svg import svg
from vitdsl.pictures.text import width
from vitdsl.spec import load

SVG = "{http://www.w3.org/2000/svg}"
TAGS = {"svg", "title", "style", "defs", "marker", "path", "linearGradient", "stop", "rect", "text"}


def elements(text):
    found = [*ElementTree.fromstring(text).iter()]
    assert {each.tag.removeprefix(SVG) for each in found} <= TAGS
    return found


def texts(text):
    return [each.text for each in elements(text) if each.tag == f"{SVG}text"]


def test_a_figure_names_parts_shapes_and_repeats():
    found = texts(drawn(load("deit_tiny"), ".svg"))
    assert found[0] == "deit_tiny · 5,717,416 parameters, 1.25 GMACs"
    assert {"stage 0", "block × 12", "mixer · global", "mlp", "layer norm", "+", "head", "classifier"} <= set(found)
    assert {"image 224×224·3", "14×14·192", "cls+14×14·192", "cls·1000", "logits"} <= set(found)
    assert {"3 heads · 42%", "hidden 768 · 56%", "share of multiply-adds"} <= set(found)


@pytest.mark.parametrize("measure", MEASURES)
def test_colours_are_shares(measure):
    root = open_spec(load("pvt_tiny"))
    text = svg(root, "a title", measure)
    assert f"share of {MEASURES[measure][0]}" in texts(text)
    warm = [float(each.get("fill-opacity")) for each in elements(text) if each.get("class") == "heat"]
    assert max(warm) == 0.75
    largest = max((box for box in root.below() if box.kind == "part"), key=lambda box: share_of(box, root, measure))
    assert any(each and each.endswith(f"{share_of(largest, root, measure):.0%}") for each in texts(text))


@pytest.mark.parametrize("name", FEW)
def test_texts_are_within_the_figure(name):
    text = drawn(load(name), ".svg")
    root, *_ = found = elements(text)
    wide, high = float(root.get("width")), float(root.get("height"))
    for each in found:
        if each.tag == f"{SVG}text":
            long, x = width(each.text, float(each.get("font-size")), "font-weight" in each.attrib), float(each.get("x"))
            left = x - long / 2 if each.get("text-anchor") == "middle" else x
            assert left >= 0
            assert left + long <= wide
            assert 0 < float(each.get("y")) < high


TEXTS = (*filter(None, NAMES), *MARKUP, *filter(None, TERMINAL), "\ud800", "\x00", "\ufffe", "]]>", "{{ 7 * 7 }}")


@pytest.mark.parametrize("seed", range(20))
def test_any_text_is_a_text(seed):
    plain, hostile = (svg(Models(seed, texts).model(), texts[seed]) for texts in (("a",) * len(TEXTS), TEXTS))
    assert [each.tag for each in elements(hostile)] == [each.tag for each in elements(plain)]
    assert hostile.replace("\n", "").isprintable()
    hostile.encode()


def test_it_asks_for_nothing_and_can_be_dark():
    text = drawn(load("deit_tiny"), ".svg")
    assert "prefers-color-scheme:dark" in text
    assert (
        not any(word in text for word in ("<script", "href", "@import", "http://", "https://"))
        or text.count("http") == 1
    )  # the namespace
