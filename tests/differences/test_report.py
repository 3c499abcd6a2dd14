"""A difference as tables, as a page and as JSON; no text of a file is markup."""

import json

import pytest

from tests.hostile import NAMES
from tests.search.hostile import MARKUP, TERMINAL
from tests.search.pages import Elements
from vitdsl.differences.compare import compare
from vitdsl.differences.report import EQUAL, as_plain, page, sections
from vitdsl.differences.written import Change, Side
from vitdsl.spec import load

ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "header", "section", "h1", "h2", "p", "b", "div", "table",
    "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


@pytest.fixture(scope="module")
def found():
    return compare(*pair())


def pair():
    return load("deit_tiny"), load("deit_tiny", {"stages[0].depth": 6, "classes": 10})


def test_tables(found):
    written, graph, costs, weights = sections(found)
    assert len(written.rows) == 2
    assert written.rows[1][:3] == ("classes", "–", "10")
    assert ("stages[0].depth", "12", "6", "deit_tiny.yaml:8", "--set:1") in written.rows
    assert ("stages.0.block.6–11", "removed", "72") in graph.rows
    assert graph.text == "0 operators added, 72 removed, 1 changed."
    assert costs.rows[-1][:4] == ("in all", "5.72M", "2.86M", "−2.86M")
    assert ("head", "other shape", "2") in weights.rows
    assert weights.text == "78 keys fit, 2 are of another shape, 72 are only in A, 0 only in B."


def test_json_is_whole(found):
    plain = json.loads(json.dumps(as_plain(found, *pair())))
    assert plain["equal"] is False
    assert plain["weights"]["counts"] == {"fit": 78, "other shape": 2, "only in A": 72, "only in B": 0}
    assert plain["weights"]["shapes"]["head.classifier.bias"] == {"a": [1000], "b": [10]}
    assert {"path": "stages.0.block.6–11", "change": "removed", "operators": 72} in plain["graph"]
    assert plain["costs"][-1]["a"]["params"] == 5717416
    depth = next(each for each in plain["spec"] if each["a"] and each["a"]["path"] == "stages[0].depth")
    assert (depth["a"]["value"], depth["a"]["line"], depth["b"]["file"]) == (12, 8, "--set")


def read(text):
    made = Elements(text)
    assert not made.open
    assert {tag for tag, _ in made.found} <= ELEMENTS
    assert text.replace("\n", "").isprintable()
    return made


def test_a_page(found):
    words = "".join(read(page(found, *pair())).texts)
    assert "deit_tiny and deit_tiny" in words
    assert "stages.0.block.6–11" in words
    assert EQUAL not in words


def test_equal_specs_are_said_to_be_equal():
    a = load("deit_tiny")
    assert EQUAL in "".join(read(page(compare(a, a), a, a)).texts)


@pytest.mark.parametrize("text", [*NAMES, *MARKUP, *TERMINAL, "\x00"])
def test_any_text_is_a_text(found, text):
    side = Side(text, {"key": [text]}, None)
    hostile = found._replace(written=[Change(side, side), Change(side, None)])
    plain = found._replace(written=[Change(Side("a", {"key": ["a"]}, None), Side("a", 1, None)), Change(None, side)])
    assert [tag for tag, _ in read(page(hostile, *pair())).found] == [
        tag for tag, _ in read(page(plain, *pair())).found
    ]
