"""Outlines: of what is YAML they say what the reader of files says, and of all else something."""

import pytest

from tests.editor.texts import WRONG, shipped_text, slips, typed
from vitdsl.editor.nodes import Node
from vitdsl.editor.outline import Outline
from vitdsl.editor.values import plain
from vitdsl.errors import SpecError
from vitdsl.resolve.files import load_tree, shipped
from vitdsl.syntax.source import read
from vitdsl.syntax.tree import Map, Seq
from vitdsl.validate import FILE

FILES = [*sorted(shipped().rglob("*.yaml")), *WRONG]


def same(outline: Outline, node: Node, value: object) -> None:
    """Values stand in the outline where the reader of files has them."""
    if isinstance(value, (Map, Seq)):
        assert value.pos is not None
        assert outline.position(node.start) == (value.pos.line - 1, value.pos.column - 1)
    if isinstance(value, Map):
        assert [entry.key.text for entry in node.entries if entry.key] == [*value]
        for entry in node.entries:
            assert entry.key is not None
            marks = value.marks[entry.key.text]
            for found, mark in zip((entry.key, entry.value), marks, strict=True):
                nothing = found.kind == "nothing"
                assert nothing or outline.position(found.start) == (mark.line - 1, mark.column - 1)
            same(outline, entry.value, value[entry.key.text])
    elif isinstance(value, Seq):
        assert len(node.entries) == len(value)
        for entry, inner in zip(node.entries, value, strict=True):
            same(outline, entry.value, inner)


def test_what_is_yaml_is_read_as_files_are():
    count = 0
    for path in FILES:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        try:
            value = read(text, str(path))
        except SpecError:
            continue
        outline = Outline(text)
        if "\\e" not in text:  # an escape of a sign that does not print stays as it is written
            same(outline, outline.root, value)
        count += 1
    assert count > 300


def test_plain_values_are_those_of_the_file():
    for name in ("deit_tiny", "crossvit_tiny", "levit_128s", "swin_tiny"):
        assert plain(Outline(shipped_text(name)).root) == load_tree(shipped() / f"{name}.yaml", FILE)


@pytest.mark.parametrize("name", ["crossvit_tiny", "levit_128s"])
def test_any_text_has_an_outline(name):
    text = shipped_text(name)
    for each in (*typed(text, 60), *slips(text, 200, 1)):
        outline = Outline(each)
        for node in outline.nodes():
            assert 0 <= node.start <= node.end <= len(each)
            assert outline.offset(*outline.position(node.start)) == node.start


@pytest.mark.parametrize("text", [
    "[" * 100_000, "{" * 100_000, "- " * 50_000, "a:\n" + "".join(f"{' ' * n}b:\n" for n in range(1, 400)),
    '"' * 1001, "'", "|", "a: |", "?", "---\n---\n", "\ufeffa: 1", "a: [1, 2", "]", "}", ":", "- :", "\t", "a:\tb",
    "a: 'x\n b: 1", "\r\ra: 1\r\nb: 2",
])  # fmt: skip
def test_no_text_is_too_strange(text):
    outline = Outline(text)
    assert all(0 <= node.start <= node.end <= len(text) for node in outline.nodes())
    for offset in range(0, min(len(text), 200)):
        outline.spot(offset)


HALF = {
    "a bracket that is not closed ends at the next key": (
        "stages:\n  - tokenizer: {type: patch, size: 16,\n    depth: 12\n",
        {"stages": [{"tokenizer": {"type": "patch", "size": 16}, "depth": 12}]},
    ),
    "or at the next item": ("a:\n  - {b: [1, {c: 2\n  - d\n", {"a": [{"b": [1, {"c": 2}]}, "d"]}),
    "a word is a key without a value": ("a: 1\nb\nc: 3\n", {"a": 1, "b": None, "c": 3}),
    "and so it is in brackets": ("{a: 1, b, c: }", {"a": 1, "b": None, "c": None}),
    "a line that is indented too far belongs to what is above": ("a: 1\n   b: 2\nc: 3\n", {"a": 1, "b": 2, "c": 3}),
    "a quote that is not closed ends with the line": ("a: 'x\nb: 2\n", {"a": "'x", "b": 2}),
    "a key without a value": ("a:\nb: 2\n", {"a": None, "b": 2}),
    "a dash alone": ("a:\n  -\n  - b\n", {"a": [None, "b"]}),
}


@pytest.mark.parametrize(("text", "value"), HALF.values(), ids=HALF.keys())
def test_half_written_texts(text, value):
    assert plain(Outline(text).root) == value


def test_positions_are_lines_and_columns():
    outline = Outline("ab\r\nc\n\nd")
    assert [outline.position(at) for at in (0, 2, 4, 6, 7)] == [(0, 0), (0, 2), (1, 0), (2, 0), (3, 0)]
    assert outline.offset(0, 99) == 2
    assert outline.offset(9, 0) == 8
