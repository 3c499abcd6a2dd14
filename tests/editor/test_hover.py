"""Hovers: docstrings, defaults, costs; and no name of a file is markup in them."""

import json
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.editor.texts import shipped_text
from tests.hostile import NAMES
from vitdsl.editor.document import Document
from vitdsl.editor.hover import hover
from vitdsl.editor.markup import Block, markdown, plain_text
from vitdsl.parts.registry import all_parts
from vitdsl.resolve.files import hold
from vitdsl.spec import load
from vitdsl.validate.descriptions import descriptions, paper, summary

PLAIN = {"text", "code_inline", "hardbreak", "softbreak"}


def said(text: str, path: Path = Path("mine.yaml")) -> str:
    """What is shown at the bar of a text, without markup."""
    before, _, after = text.partition("|")
    hold(path, before + after)
    try:
        found = hover(Document(path, before + after), len(before))
    finally:
        hold(path, None)
    return "" if found is None else plain_text(found.blocks)


def is_plain(text: str) -> bool:
    """Whether markdown holds paragraphs and fences alone: no link, no picture, no HTML, nothing bold."""
    for token in MarkdownIt("commonmark", {"html": True}).parse(text):
        if token.type not in {"paragraph_open", "paragraph_close", "fence", "inline"}:
            return False
        if any(child.type not in PLAIN for child in token.children or ()):
            return False
    return True


def test_a_key_is_explained():
    found = said("stages: [{tokenizer: {type: patch, si|ze: 16, dim: 32}}]")
    assert found.split("\n\n") == [
        "size: integer | [integer]",
        "Of a patch, in pixels: of both sides, or `[height, width]`.",
        "It must be given.",
        "Paper: ViT, arXiv 2010.11929",
    ]
    assert "exact | pad = exact" in said("stages: [{tokenizer: {type: patch, fi|t: pad}}]")
    assert said("stages: []\ninput: {cr|op: 1}").startswith("crop: number = 0.875\n\nShare of the resized photo")


def test_a_type_is_explained():
    found = said("stages: [{tokenizer: {type: pat|ch, size: 16}}]")
    assert "Non-overlapping patches" in found
    assert "Attributes" not in found
    assert "layer normalization" in said("stages: [{norm: la|yer}]").lower()
    assert "windows, which may be shifted" in said("stages: [{body: [{mixer: {type: wind|owed}}]}]")


def test_an_item_says_what_enters_and_leaves_it_and_what_it_costs(tmp_path):
    text = shipped_text("deit_tiny")
    bar = text.index("mlp:") + 1
    found = said(text[:bar] + "|" + text[bar:], tmp_path / "deit.yaml")
    spec = load(Path("deit_tiny"))
    inside = spec.graph().frame.steps[0].frames[0]
    (block,) = [step for step in inside.steps if hasattr(step, "frames")]
    nodes = [node for node in block.frames[0].steps if getattr(node, "path", "").startswith("1.")]
    params, macs = (sum(getattr(node.cost, name) for node in nodes) for name in ("params", "macs"))
    assert f"cls+14×14·192 → cls+14×14·192\neach run: {params:,} parameters, {macs:,} MACs" in found
    assert params > 0


def test_names_are_shown_as_they_are_written(tmp_path):
    text = "vars: {wide: 96}\ndefine:\n  block:\n    args: [n]\n    body: [{linear: $n}]\n"
    assert said(text + "stages: [{depth: $wi|de}]") == "wide: 96"
    assert said(text + "stages: [{body: {use: blo|ck, n: 3}}]").startswith("block:\n  args: [n]\n  body:")
    assert "An argument" in said(text + "stages: [{body: {use: block, |n: 3}}]")
    assert said("define: {a: {args: [n], body: [{linear: $(2 * n|)}]}}") == "n"


@pytest.mark.parametrize("text", ["stages: [{|depht: 3}]", "name: a|b", "stages: [{depth: |3}]", "# st|ages: 3", "|"])
def test_nothing_is_said_of_what_is_unknown(text):
    assert said(text) == ""


def test_hostile_names_are_no_markup(tmp_path):
    path = tmp_path / "mine.yaml"
    for name in NAMES[::3]:
        word = json.dumps(name)
        text = (
            f"name: {word}\nvars: {{{word}: 1, wide: {word}}}\n"
            f"define: {{{word}: {{args: [{word}], optional: {{x: {word}}}, body: [{{write: {word}}}]}}}}\n"
            f"stages:\n  - {{stream: {word}, tokens: [{word}], depth: $wide, body: [{{use: {word}, {word}: 1}}]}}\n"
            f"head: {{outputs: {{{word}: []}}, pool: {word}, norm: {{type: {word}}}}}\n"
        )
        hold(path, text)
        document = Document(path, text)
        for node in document.outline.nodes():
            found = hover(document, node.start + 1)
            if found is not None:
                assert is_plain(markdown(found.blocks)), (name, found)
                assert markdown(found.blocks).replace("\n", "").isprintable()
    hold(path, None)


def test_what_we_say_is_shown_as_it_is_written():
    renderer = MarkdownIt("commonmark", {"html": True})
    for cls in all_parts().values():
        for text in (summary(cls), paper(cls), *descriptions(cls).values()):
            made = markdown([Block(text)]) if text else ""
            assert is_plain(made)
            inline = [child for token in renderer.parse(made) for child in token.children or ()]
            assert "".join(child.content for child in inline) == text.replace("`", "")


@pytest.mark.parametrize("text", ["```", "a\n```\n# b", "`` ` ``", "~~~\n<b>"])
def test_fences_hold_what_is_in_them(text):
    (token,) = MarkdownIt("commonmark").parse(markdown([Block(text, code=True)]))
    assert (token.type, token.content) == ("fence", f"{text}\n")
