"""Pages of models: no text of a file is markup, nothing is asked of a network, and all numbers are there."""

import pytest

from tests.hostile import NAMES
from tests.pictures.bodies import Models
from tests.search.hostile import MARKUP, TERMINAL
from tests.search.pages import read
from vitdsl.pictures.drawing import drawn
from vitdsl.pictures.opening import open_spec
from vitdsl.pictures.page import page
from vitdsl.spec import load

ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "div", "span", "label", "select",
    "option", "input", "output", "button", "main", "section", "aside", "table", "thead", "tbody", "tr", "th", "td", "i",
    "svg", "script",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "class", "id", "value", "type", "autocomplete", "spellcheck",
    "placeholder", "for", "role", "aria-label", "aria-live", "aria-expanded", "aria-hidden", "tabindex", "data-number",
    "data-words", "style",
}  # fmt: skip


def checked(text):
    """The elements and the data of a page, all of which are ours."""
    assert text.lstrip().startswith("<!doctype html>")
    made, data = read(text)
    assert {tag for tag, _ in made.found} <= ELEMENTS
    assert {name for _, attributes in made.found for name in attributes} <= ATTRIBUTES
    assert text.replace("\n", "").isprintable()
    return made, data


def test_the_details_say_the_numbers():
    spec = load("deit_tiny")
    made, data = checked(drawn(spec, ".html"))
    (mixer,) = [box for box in data["boxes"].values() if box["title"] == "mixer · global"]
    told = dict(mixer["details"])
    assert told["module path"] == "stages.0.block.0–11.0.mixer"
    assert told["path in the YAML"] == "stages[0].block[0].mixer"
    assert told["parameters"] == "1,778,688 (31.1%), 148,224 a run"
    assert told["gives"] == "cls+14×14·192"
    assert told["multiply-adds"].startswith("527 MMACs (42.1%), ")
    words = "".join(made.texts)
    assert "5,717,416 parameters, 1.25 GMACs." in words
    assert "stages.0" in words


def test_every_box_has_its_data_and_every_line_its_ends():
    made, data = checked(drawn(load("crossvit_tiny"), ".html"))
    known = {attributes["id"] for _, attributes in made.found if "id" in attributes}
    boxes = {attributes["data-number"] for tag, attributes in made.found if attributes.get("role") == "treeitem"}
    assert boxes == set(data["boxes"])
    assert len(boxes) == len([*open_spec(load("crossvit_tiny")).below()]) - 1
    for nets in data["bodies"].values():
        for net in nets:
            assert {net["from"], *(end["to"] for end in net["to"]), *([net["lane"]] if net["lane"] else [])} <= known


def test_shapes_stand_beside_their_own_lines():
    """CrossViT's head gives `small` and then `large`, which leave it in the other order."""
    text = drawn(load("crossvit_tiny"), ".html")
    _, data = checked(text)
    shares = {end["to"]: net["share"] for net in data["bodies"]["0"] for end in net["to"]}
    assert text.index(">small · 0.5<") < text.index(">large · 0.5<")  # so they are the exits 0 and 1
    assert (text.index("small cls·1000") < text.index("large cls·1000")) == (shares["exit0-0"] < shares["exit0-1"])


def test_nothing_is_asked_of_a_network():
    text = drawn(load("deit_tiny"), ".html")
    made, _ = checked(text)
    (policy,) = [attributes["content"] for tag, attributes in made.found if "http-equiv" in attributes]
    assert policy == "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
    assert "url(" not in text
    assert "@import" not in text


TEXTS = [*NAMES, *MARKUP, *TERMINAL, "\ud800", "\x00", "\ufffe", "]]>", "{{ 7 * 7 }}", "{% x %}"]


@pytest.mark.parametrize("seed", range(20))
def test_no_text_becomes_markup(seed):
    analysis = load("deit_tiny").analyze()
    plain, hostile = (
        page(Models(seed, texts).model(), texts[-seed], analysis, texts[seed]) for texts in (["a"] * len(TEXTS), TEXTS)
    )
    one, other = checked(plain)[0].found, checked(hostile)[0].found
    assert [tag for tag, _ in one] == [tag for tag, _ in other]
    assert [[*attributes] for _, attributes in one] == [[*attributes] for _, attributes in other]


def test_titles_of_papers_are_texts():
    evil = "</script><img src=x onerror=alert(1)>"
    text = drawn(load("deit_tiny", {"paper.title": evil}), ".html")
    assert evil in "".join(checked(text)[0].texts)
