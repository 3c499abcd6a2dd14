"""The report of a training: a page and a picture, in which no text of a file is markup."""

import json
import math
import random
from xml.etree import ElementTree

import pytest

from tests.hostile import NAMES
from tests.search.hostile import MARKUP, TERMINAL
from tests.search.pages import Elements
from tests.training.histories import SMALL, history_of, recipe_of
from vitdsl.errors import SpecError
from vitdsl.spec import load
from vitdsl.training.recipe import load_recipe
from vitdsl.training.report import heading, measure, page, write_report

SPEC = """
name: tiny
paper: {title: A title, arxiv: "2012.12877", code: "https://example.org/code", params: 5M}
input: {size: 8}
classes: 10
stages: [{tokenizer: {type: patch, size: 2, dim: 8}, depth: 1, block: [{mlp: {ratio: 2}}]}]
head: {pool: mean}
"""
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "b", "a", "section", "div", "svg",
    "path", "text", "g", "circle", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre", "code",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "href", "rel", "class", "title", "viewbox", "width", "role",
    "aria-label", "font-family", "font-size", "font-weight", "fill", "x", "y", "d", "stroke", "stroke-width",
    "stroke-dasharray", "stroke-linejoin", "text-anchor", "transform", "cx", "cy", "r",
}  # fmt: skip


def read(text):
    """The elements of a page, all of which are ours; and its words."""
    assert text.startswith("<!doctype html>")
    made = Elements(text)
    assert not made.open
    assert {tag for tag, _ in made.found} <= ELEMENTS
    assert {name for _, attributes in made.found for name in attributes} <= ATTRIBUTES
    return made, " ".join("".join(made.texts).split())


def cells(text, name):
    """The row of a table by its name."""
    row = text.partition(f"<th>{name}</th>")[2].partition("</tr>")[0]
    return row.replace("</td>", "").split("<td>")[1:]


def test_a_training_is_on_the_page(tmp_path):
    recipe = recipe_of(name="quick", average=0.9, paper={"title": "Another title", "code": "https://example.org/x"})
    history = history_of(30, averaged=True, accuracy={20: 0.987})
    write_report(tmp_path, load(SPEC), recipe, history, data="a folder/of images")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.svg", "report.html"]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    made, words = read(text)
    assert "tiny · quick 30 of 40 epochs on a folder/of images, batches of 8 images" in words
    assert "best accuracy 98.70%, after epoch 20." in words
    links = [attributes["href"] for tag, attributes in made.found if tag == "a"]
    assert links == ["https://arxiv.org/abs/2012.12877", "https://example.org/code", "https://example.org/x"]
    assert cells(text, "epoch") == ["20", "30"]
    assert cells(text, "accuracy")[0] == "98.70%"
    assert cells(text, "parameters") == [f"{load(SPEC).analyze().params:,}"]
    assert cells(text, "parameters in the paper") == ["5M"]
    assert "vitdsl build spec.yaml --weights best.safetensors" in words
    assert "vitdsl eval spec.yaml --data 'a folder/of images' --weights best.safetensors" in words
    assert "learning_rate: 1.0e-3" in words or "learning_rate: 0.001" in words
    assert text.count("<tr>") > 30
    assert ElementTree.fromstring((tmp_path / "curve.svg").read_text(encoding="utf-8")).tag.endswith("svg")


def test_nothing_is_asked_of_a_network():
    text = page(load(SPEC), recipe_of(), history_of(3))
    made, _ = read(text)
    (policy,) = [attributes["content"] for tag, attributes in made.found if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert "url(" not in text
    assert "@import" not in text
    assert "src=" not in text.replace("default-src=", "")


@pytest.mark.parametrize("history", [
    [], history_of(1), history_of(3, every=10), history_of(7, every=3),
    history_of(5, loss={2: math.nan, 3: math.inf}, evaluation_loss={5: -math.inf}, accuracy={1: math.nan}),
    history_of(2, loss={1: math.nan, 2: math.nan}, accuracy={1: math.nan, 2: math.nan}, seconds={2: math.nan}),
    [{"epoch": 1.0}], [{"loss": 1.0}],
])  # fmt: skip
def test_what_is_missing_or_no_number(tmp_path, history):
    write_report(tmp_path, load(SPEC), recipe_of(), history)
    _, words = read((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert ("No epoch is complete yet." in words) == (not history)
    assert ("best accuracy" in words) == any(math.isfinite(entry.get("accuracy", math.nan)) for entry in history)
    assert "--data DATA" in words


def test_thousands_of_epochs():
    text = page(load(SPEC), recipe_of(), history_of(5000, loss={777: math.nan}))
    made, _ = read(text)
    assert len([tag for tag, _ in made.found if tag == "tr"]) > 5000
    assert len(text) < 2_000_000


def any_text(rng):
    return rng.choice(rng.choice((NAMES, MARKUP, TERMINAL, (EVIL, "\ud800", "x" * 3000, "{{ 7 * 7 }}", "{% x %}"))))


def drawn(rng):
    """A spec and a recipe, all of whose texts may mean harm."""
    losses = {any_text(rng): "cross_entropy" for _ in range(3)}
    paper = {key: any_text(rng) for key in ("title", "arxiv", "code", "params", any_text(rng))}
    name = any_text(rng) if rng.random() < 0.2 else "plain"
    recipe = load_recipe({**SMALL, "name": name, "losses": losses, "paper": paper, "data": any_text(rng)})
    paper = {**paper, "arxiv": rng.choice(["2012.12877", "javascript:alert(1)"]), "code": "javascript:alert(1)"}
    return load(f"paper: {json.dumps(paper)}\n{SPEC.partition('input')[1]}{SPEC.partition('input')[2]}"), recipe


@pytest.mark.parametrize("seed", range(60))
def test_no_text_becomes_markup(tmp_path, seed):
    rng = random.Random(seed)
    try:
        spec, recipe = drawn(rng)
    except SpecError:  # an invalid name; other seeds have others
        return
    history = history_of(rng.randint(0, 3), terms=[*recipe.file.losses], averaged=True)
    for entry in history:
        entry |= {any_text(rng): 1.0}
    write_report(tmp_path, spec, recipe, history, data=any_text(rng))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    made, _ = read(text)
    assert text.replace("\n", "").isprintable()
    links = [attributes["href"] for tag, attributes in made.found if tag == "a"]
    assert set(links) <= {"https://arxiv.org/abs/2012.12877"}
    ElementTree.fromstring((tmp_path / "curve.svg").read_text(encoding="utf-8"))


def test_most_drawn_files_are_right():
    right = 0
    for seed in range(60):
        try:
            drawn(random.Random(seed))
        except SpecError:
            continue
        right += 1
    assert right > 20


@pytest.mark.parametrize(("name", "words"), [
    ("accuracy", "accuracy"), ("average_accuracy_5", "accuracy of 5, averaged"), ("seconds", "time"),
    ("images_per_second", "images/s"), ("evaluation_loss", "evaluation loss"),
])  # fmt: skip
def test_headings(name, words):
    assert heading(name) == words


@pytest.mark.parametrize(("name", "value", "text"), [
    ("epoch", 1234.0, "1,234"), ("accuracy", 0.98765, "98.77%"), ("loss", 0.123456, "0.1235"), ("loss", None, "–"),
    ("loss", math.nan, "nan"), ("seconds", math.inf, "inf"), ("seconds", 3723.4, "1:02:03"),
    ("learning_rate", 1.5e-7, "1.5e-07"),
])  # fmt: skip
def test_measures(name, value, text):
    assert measure(name, value) == text


def test_a_report_is_replaced_whole(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_report(tmp_path / "nowhere", load(SPEC), recipe_of(), [])
