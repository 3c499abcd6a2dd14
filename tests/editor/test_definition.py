"""Where a name is defined."""

from pathlib import Path

import pytest

from vitdsl.editor.definition import definition
from vitdsl.editor.document import Document
from vitdsl.resolve.files import shipped

TEXT = """\
vars: {wide: 96, tall: $wide}
define:
  block:
    args: [heads]
    optional: {extra: []}
    body: [{mixer: {type: global, heads: $heads}}, {body: $extra}, {linear: $(wide + dim)}]
stages:
  - {stream: fine, from: image, tokens: [cls], body: {use: block, heads: 3}}
  - body: [{write: "kept[]"}, {from: kept}, {at: fine.cls, mixer: {type: cross, keys: [self, fine]}}]
head: {pool: cls}
"""
FOUND = {
    "tall: $wi|de": "|wide: 96",
    "heads: $he|ads": "[|heads]",
    "body: $ex|tra": "{|extra: []}",
    "$(wi|de + dim)": "|wide: 96",
    "{use: bl|ock": "|block:\n",
    "{from: ke|pt}": '|"kept[]"',
    "at: fi|ne.cls": "stream: |fine",
    "[self, fi|ne]": "stream: |fine",
    "pool: c|ls}": "[|cls]",
}


def at(text: str, path: Path, bar: str):
    before, _, after = bar.partition("|")
    return definition(Document(path, text), text.index(before + after) + len(before))


@pytest.mark.parametrize(("bar", "wanted"), FOUND.items())
def test_a_name_leads_to_what_it_names(tmp_path, bar, wanted):
    found = at(TEXT, tmp_path / "mine.yaml", bar)
    before, _, after = wanted.partition("|")
    assert found is not None
    assert found.path == tmp_path / "mine.yaml"
    assert found.span.start == TEXT.index(before + after) + len(before)


@pytest.mark.parametrize("bar", ["+ di|m)", "sta|ges", "{from: im|age"[:9] + "|x", "type: glo|bal", "heads: |3}}"])
def test_what_is_no_name_leads_nowhere(tmp_path, bar):
    text = TEXT + "x: {fromx: a}" if "x" in bar else TEXT
    if bar.partition("|")[0] + bar.partition("|")[2] in text:
        assert at(text, tmp_path / "mine.yaml", bar) is None


def test_other_files(tmp_path):
    (tmp_path / "base.yaml").write_text(TEXT)
    text = "extends: base\nhead: {body: [{use: block, heads: $wide}, {use: library.basic}]}"
    path = tmp_path / "mine.yaml"
    assert at(text, path, "ba|se").path == tmp_path / "base.yaml"
    assert at(text, path, "bl|ock").path == tmp_path / "base.yaml"
    assert at(text, path, "$wi|de").span.start == TEXT.index("wide: 96")
    assert at(text, path, "library.ba|sic").path == shipped("library") / "basic.yaml"
    assert at("extends: deit_tiny", path, "deit_|tiny").path == shipped() / "deit_tiny.yaml"
    assert at("space: digits\nobjectives: {}", path, "dig|its").path == shipped("spaces") / "digits.yaml"
    assert at("extends: nothing", path, "noth|ing") is None
